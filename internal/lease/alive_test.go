package lease_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/ramengine"
	"github.com/singleton-go/singleton/internal/lease"
)

// A tarpit is an engine whose renewals return only when it is drained, whatever their context says: it breaks the contract.
type tarpit struct {
	engine.Engine
	drained chan struct{}
}

func (e tarpit) Open(ctx context.Context, o engine.SessionOptions) (engine.Session, error) {
	s, err := e.Engine.Open(ctx, o)
	return stuckSession{s, e.drained}, err
}

type stuckSession struct {
	engine.Session
	drained chan struct{}
}

func (s stuckSession) Renew(context.Context) error {
	<-s.drained
	return errors.New("too late")
}

func mustLive(t *testing.T, p *process, want bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := p.Alive(ctx); (err == nil) != want {
		t.Errorf("alive: %v, want it to be %t", err, want)
	}
}

func TestAliveWhileTheStoreIsAwayForLong(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := join(t, store)
		mustLive(t, p, true)
		time.Sleep(time.Hour) // nobody wants a session
		mustLive(t, p, true)
		p.candidate("m")
		synctest.Wait()
		mustLive(t, p, true)
		heal := p.conn.Cut()
		for range 100 {
			time.Sleep(time.Second)
			mustLive(t, p, true)
		}
		heal()
	})
}

func TestNotAliveWhereARenewalNeverReturns(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		e := tarpit{store.Connect(), make(chan struct{})}
		p := joinWith(t, store, lease.Config{Engine: e})
		p.candidate("m")
		time.Sleep(time.Second)
		mustLive(t, p, true)
		time.Sleep(time.Minute)
		mustLive(t, p, false)
		close(e.drained)
		time.Sleep(time.Minute)
		mustLive(t, p, true)
	})
}

func TestNotAliveWhereSomebodyBlocksTheAnnouncements(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := join(t, store)
		release := make(chan struct{})
		s := p.Subscribe("m", func() { <-release })
		synctest.Wait()
		mustLive(t, p, false)
		close(release)
		mustLive(t, p, true)
		s.Cancel()
	})
}

func TestNotAliveAfterClose(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := join(t, store)
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		mustLive(t, p, false)
	})
}
