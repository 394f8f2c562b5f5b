package enginetest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/enginetest"
	"github.com/singleton-go/singleton/engine/ramengine"
)

func TestFaultyCloseEndsWhatIsUnderWay(t *testing.T) {
	inBubble(t, func(c faultyCase) {
		lines := c.follow(0)
		c.faulty.Decide(func(enginetest.Call) enginetest.Fate { return enginetest.Fate{Request: time.Hour} })
		took, err := c.create("a")
		c.want(took, err, time.Second, context.DeadlineExceeded)
		c.faulty.Close()
		c.logged(lines, "0s reset", "1s error false")
		if _, err = c.create("a"); err == nil {
			c.Error("a call of a closed connection passed")
		}
		time.Sleep(2 * time.Hour)
		c.stored()
	})
}

func TestFaultyCloseWaitsForLateRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ended bool
		slow := &altered{ramengine.New(), wrong{end: func(ctx context.Context, _ engine.Engine, _ string) error {
			<-ctx.Done()
			time.Sleep(time.Second)
			ended = true
			return ctx.Err()
		}}}
		f := enginetest.NewFaulty(slow)
		f.Decide(func(enginetest.Call) enginetest.Fate { return enginetest.Fate{Request: time.Second} })
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if err := f.End(ctx, "x"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("End returned %v", err)
		}
		f.Close()
		if !ended {
			t.Error("Close returned before the late request had")
		}
	})
}

func TestFaultyIsAnEnderAsFarAsItsEngineIs(t *testing.T) {
	inBubble(t, func(c faultyCase) {
		if err := engine.End(c.Context(), c.faulty, c.session.ID()); err != nil {
			c.Error(err)
		}
		if err := c.session.Renew(c.Context()); !errors.Is(err, engine.ErrLost) {
			c.Errorf("the ended session renews with %v", err)
		}
		plain := enginetest.NewFaulty(struct{ engine.Engine }{c.sound})
		defer plain.Close()
		if err := engine.End(c.Context(), plain, "x"); !errors.Is(err, errors.ErrUnsupported) {
			c.Errorf("End without an Ender beneath is %v", err)
		}
	})
}
