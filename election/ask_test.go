package election_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton/election"
	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/enginetest"
	"github.com/singleton-go/singleton/engine/ramengine"
)

func TestWishBesideAnotherProcesssIsAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := ramengine.New()
		s, err := store.Open(t.Context(), engine.SessionOptions{TTL: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		for key, value := range map[string]string{"election//t/singleton/m/1": "leader", "election//t/wish/m/ask": "{}"} {
			if _, err := s.Create(t.Context(), key, []byte(value)); err != nil {
				t.Fatal(err)
			}
		}
		l := closeAfter(t, startLease(t, store.Connect(), "asker"))
		begun := time.Now()
		err = election.New(l, "m", "asker").Ask(t.Context(), election.Wish{})
		if waited := time.Since(begun); !errors.Is(err, election.ErrPending) || waited > time.Second {
			t.Errorf("after %v: %v, want %v at once", waited, err, election.ErrPending)
		}
	})
}

// The next leader refuses what was not for its term. An asker that sees this together with the hand-over was served.
func TestWishThatTheNextLeaderRefusesIsDone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := ramengine.New()
		conn := enginetest.NewFaulty(store.Connect())
		defer conn.Close()
		asker := election.New(closeAfter(t, startLease(t, conn, "asker")), "m", "asker")
		ctx, cancel := context.WithCancel(t.Context())
		var leads sync.WaitGroup
		for _, name := range []string{"a", "b"} {
			e := election.New(closeAfter(t, startLease(t, store.Connect(), name)), "m", name)
			leads.Go(func() {
				_ = e.Lead(ctx, func(ctx context.Context, _ election.Term) error {
					<-ctx.Done()
					return nil
				})
			})
			synctest.Wait()
		}
		heal := conn.Stall()
		time.AfterFunc(time.Second, func() { // b looks again when another joins
			s, err := store.Open(ctx, engine.SessionOptions{TTL: time.Hour})
			if err == nil {
				_, err = s.Create(ctx, "election//t/singleton/m/1", nil)
			}
			if err != nil {
				t.Error(err)
			}
			synctest.Wait()
			heal()
		})
		if err := asker.Ask(t.Context(), election.Wish{}); err != nil {
			t.Errorf("error %v, want none: the leader has resigned", err)
		}
		if leader, err := asker.Leader(t.Context()); err != nil || leader.Candidate != "b" {
			t.Errorf("leader %+v, %v, want b", leader, err)
		}
		cancel()
		leads.Wait()
	})
}

// On a store with two connections, one for calls and one for the watch, the watch is often the faster.
func TestLeaderWhoseAnswerIsSeenBeforeTheReplyMakesWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := ramengine.New()
		conn := enginetest.NewFaulty(store.Connect())
		defer conn.Close()
		conn.Decide(func(c enginetest.Call) enginetest.Fate {
			if c.Op == enginetest.OpReplace {
				return enginetest.Fate{Reply: time.Millisecond}
			}
			return enginetest.Fate{}
		})
		term, err := election.New(closeAfter(t, startLease(t, conn, "leader")), "m", "leader").Campaign(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		stop := context.AfterFunc(term.Context(), func() { _ = term.Resign(t.Context()) })
		defer stop()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		asker := election.New(closeAfter(t, startLease(t, store.Connect(), "asker")), "m", "asker")
		if err := asker.Ask(ctx, election.Wish{}); err != nil {
			t.Errorf("error %v, want none: the leader has resigned", err)
		}
		_ = term.Resign(ctx)
	})
}
