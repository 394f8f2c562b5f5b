package election_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton/election"
	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/ramengine"
)

func TestAStoreThatWentBackIsToldToAllWhoWait(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		leader := election.New(closeAfter(t, startLease(t, store.Connect(), "leader")), "m", "leader")
		waiting := election.New(closeAfter(t, startLease(t, store.Connect(), "waiting")), "m", "waiting")
		watching := election.New(closeAfter(t, startLease(t, store.Connect(), "watching")), "m", "watching")
		term, err := leader.Campaign(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // until all know that
		campaign := make(chan error, 1)
		go func() {
			_, err := waiting.Campaign(t.Context())
			campaign <- err
		}()
		seen := observe(t.Context(), watching, 0)
		seen.must(t, "leader")
		store.Rewind()
		time.Sleep(time.Minute)
		synctest.Wait()
		if err := term.Err(); !errors.Is(err, election.ErrLost) {
			t.Errorf("the term ended with %v, want %v", err, election.ErrLost)
		}
		if err := <-campaign; !errors.Is(err, engine.ErrRewound) {
			t.Errorf("the campaign ended with %v, want %v", err, engine.ErrRewound)
		}
		if <-seen.done; !errors.Is(seen.err, engine.ErrRewound) {
			t.Errorf("the observer was told %v, want %v", seen.err, engine.ErrRewound)
		}
		if leader, err := watching.Leader(t.Context()); !errors.Is(err, engine.ErrRewound) {
			t.Errorf("leader %+v, %v, want %v", leader, err, engine.ErrRewound)
		}
		if err := term.Resign(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
