package lease_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/singleton-go/singleton/engine/enginetest"
	"github.com/singleton-go/singleton/engine/ramengine"
	"github.com/singleton-go/singleton/internal/lease"
)

// A stuckLog is a log whose reader has stopped reading, as a terminal or a pipe can: once it is full, writing waits.
type stuckLog struct{ slog.Handler }

func (stuckLog) Enabled(context.Context, slog.Level) bool { return true }

func (stuckLog) Handle(_ context.Context, r slog.Record) error {
	if r.Level > slog.LevelInfo {
		time.Sleep(time.Hour)
	}
	return nil
}

func TestHoldEndsAtTheStopLineAlsoWhileTheLogIsStuck(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := joinWith(t, store, lease.Config{Logger: slog.New(stuckLog{slog.DiscardHandler})})
		h := p.lead("m")
		p.doomAll(enginetest.Fate{Dropped: true}, enginetest.OpRenew)
		h.mustEnd(6*time.Second, lease.ErrLost)
	})
}
