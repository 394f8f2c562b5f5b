package election_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton/election"
	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/ramengine"
)

// An observer notes whom it is told of.
type observer struct {
	seen []string
	err  error
	done chan struct{}
}

// observe follows an election in the background. It takes pause for each leader that it is told of.
func observe(ctx context.Context, e *election.Election, pause time.Duration) *observer {
	o := &observer{done: make(chan struct{})}
	go func() {
		defer close(o.done)
		for leader, err := range e.Observe(ctx) {
			if o.err = err; err != nil {
				return
			}
			name := leader.Candidate
			if leader == (election.Leader{}) {
				name = "nobody"
			}
			o.seen = append(o.seen, name)
			time.Sleep(pause)
		}
	}()
	synctest.Wait()
	return o
}

func (o *observer) must(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	if len(o.seen) != len(want) {
		t.Errorf("the observer was told of %v, want %v", o.seen, want)
		return
	}
	for i, name := range want {
		if o.seen[i] != name {
			t.Errorf("the observer was told of %v, want %v", o.seen, want)
			return
		}
	}
}

func TestObserveYieldsThePresentThenChangesAndVacancyAsAValue(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		ctx, cancel := context.WithCancel(t.Context())
		watcher := join(t, store, "watcher")
		o := observe(ctx, watcher.in(), 0)
		o.must(t, "nobody")
		a := join(t, store, "a").lead()
		b := join(t, store, "b").lead()
		observe(ctx, watcher.in(), 0).must(t, "a")
		o.must(t, "nobody", "a")
		a.cancel()
		o.must(t, "nobody", "a", "b")
		endSession(b.member)
		o.must(t, "nobody", "a", "b", "nobody")
		cancel()
		<-o.done
		if o.err != nil {
			t.Errorf("the end of the context was yielded as %v", o.err)
		}
		if watcher.Session() != "" {
			t.Error("an observer opened a session")
		}
	})
}

// A name that is the beginning of another has nothing to do with it.
func TestLeaderOfANameIsNotThatOfALongerOne(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		s := foreign(t, store)
		for _, key := range []string{
			"singleton/el30/1", "singleton/el/3/1", "singleton/el3/", "singleton/el3", "other/el3/1", "singleton/worker/el3/1",
			"singleton/el3/1/1", "singleton//el3/1",
		} {
			put(t, s, "election//t/"+key)
		}
		put(t, s, "election//t2/singleton/el3/1")
		put(t, s, "/t/singleton/el3/1")
		m := join(t, store, "m")
		leader, err := election.New(m.Lease, "el3", "m").Leader(t.Context())
		if err != nil || leader != (election.Leader{}) {
			t.Errorf("leader %+v, %v; want nobody", leader, err)
		}
		for _, name := range []string{"el30", "worker/el3"} {
			if leader, err := election.New(m.Lease, name, "m").Leader(t.Context()); err != nil || leader.Candidate != "foreign" {
				t.Errorf("leader of %s %+v, %v; want the foreign one", name, leader, err)
			}
		}
	})
}

func TestSlowObserverGetsTheLatestAndHoldsUpNobody(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		a := join(t, store, "a")
		o := observe(t.Context(), a.in(), time.Hour)
		quick := observe(t.Context(), a.in(), 0)
		for range 100 {
			s := a.lead()
			s.mustLead()
			close(s.work)
			if err := s.end(); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		last := a.lead()
		synctest.Wait()
		if len(quick.seen) != 202 {
			t.Errorf("%d changes of the leader, want 202", len(quick.seen))
		}
		time.Sleep(2 * time.Hour)
		o.must(t, "nobody", "a")
		last.mustLead()
	})
}

func TestLeaderWaitsUntilSomethingIsKnown(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		join(t, store, "a").lead()
		m := join(t, store, "m")
		heal := m.conn.Cut()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if leader, err := m.in().Leader(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("leader %+v, %v; want %v", leader, err, context.DeadlineExceeded)
		}
		time.AfterFunc(time.Second, heal)
		leader, err := m.in().Leader(t.Context())
		if err != nil || leader.Candidate != "a" || leader.Token == 0 || leader.Session == "" {
			t.Errorf("leader %+v, %v; want a", leader, err)
		}
	})
}

func TestObserveEndsWithAnErrorWhenTheWayToTheStoreIsClosed(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		m := join(t, store, "m")
		o := observe(t.Context(), m.in(), 0)
		if err := m.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-o.done
		if !errors.Is(o.err, election.ErrClosed) {
			t.Errorf("error %v, want %v", o.err, election.ErrClosed)
		}
	})
}

// A reset of the watch is no change of the leader.
func TestObserveIsNotToldOfALeaderTwice(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		m := join(t, store, "m")
		join(t, store, "a").lead()
		o := observe(t.Context(), m.in(), 0)
		for range 10 {
			m.conn.ResetWatches()
			synctest.Wait()
			m.conn.BreakWatches(engine.ErrGone)
			time.Sleep(time.Second)
		}
		o.must(t, "a")
	})
}
