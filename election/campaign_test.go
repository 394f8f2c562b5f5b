package election_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton/election"
	"github.com/singleton-go/singleton/engine/enginetest"
	"github.com/singleton-go/singleton/engine/ramengine"
)

// callTimeout is the bound of one call of the store.
const callTimeout = time.Second

// A client of etcd's own recipe returns from Campaign when the key before its own is gone, also where its own is gone too.
func TestCampaignReturnsOnlyWithItsOwnLiveRecordAtTheHead(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(*member) (heal func()){
		"its session is ended":       func(m *member) func() { endSession(m); return func() {} },
		"it is cut off for 3 TTLs":   func(m *member) func() { return m.conn.Cut() },
		"it hears nothing":           func(m *member) func() { return m.conn.Mute() },
		"its watch stands still":     func(m *member) func() { return m.conn.Stall() },
		"what it sends arrives late": func(m *member) func() { return m.conn.Hold() },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *ramengine.Engine) {
				leader, m := join(t, store, "leader").lead(), join(t, store, "m")
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
				defer cancel()
				var term election.Term
				var err error
				returned := make(chan struct{})
				go func() {
					defer close(returned)
					term, err = m.in().Campaign(ctx)
					synctest.Wait()
					q := stored(t, store, "election//t/singleton/m/")
					if err != nil || term.Err() != nil || len(q) != 1 || q[0].Created != term.Token() || q[0].Session != m.Session() {
						t.Errorf("Campaign returned token %d, %v, %v; the queue is %v, the session %s", term.Token(), term.Err(), err, q, m.Session())
					}
				}()
				synctest.Wait()
				heal := fault(m)
				time.Sleep(5 * time.Second)
				close(leader.work)
				time.Sleep(25 * time.Second)
				heal()
				<-returned
				if err := term.Resign(ctx); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestCampaignWhoseContextEndsLeavesNoRecord(t *testing.T) {
	t.Parallel()
	for name, fate := range map[string]enginetest.Fate{
		"on a sound store":    {},
		"on a slow store":     {Request: callTimeout / 4, Reply: callTimeout / 4},
		"with lost replies":   {Lost: true},
		"with failed replies": {Fail: errors.New("no")},
		"with late requests":  {Request: 3 * callTimeout / 2},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *ramengine.Engine) {
				m := join(t, store, "m")
				keep := election.New(m.Lease, "other", "m") // keeps the session
				c, err := keep.Enter(t.Context(), func(election.Term) {})
				if err != nil {
					t.Fatal(err)
				}
				for after := time.Duration(0); after < 2*callTimeout; after += callTimeout / 16 {
					m.harm(func(c enginetest.Call) enginetest.Fate {
						if c.Op == enginetest.OpCreate && c.N%2 == 0 {
							return fate
						}
						return enginetest.Fate{}
					})
					ctx, cancel := context.WithTimeout(t.Context(), after)
					term, err := m.in().Campaign(ctx)
					cancel()
					if err == nil {
						err = term.Resign(t.Context())
					} else if errors.Is(err, context.DeadlineExceeded) {
						err = nil
					}
					if err != nil {
						t.Errorf("after %v: %v", after, err)
					}
					time.Sleep(2 * callTimeout) // what was late has arrived
					mustQueue(t, store)
				}
				if err := c.Leave(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestCampaignWithAnEndedContextWritesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		m := join(t, store, "m")
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("why")
		cancel(why)
		if _, err := m.in().Campaign(ctx); !errors.Is(err, why) {
			t.Errorf("error %v, want %v", err, why)
		}
		time.Sleep(time.Minute)
		if m.Session() != "" {
			t.Error("a session was opened")
		}
	})
}

// Close waits for a runner; who waits in another election must not keep its queue waiting for as long.
func TestCampaignEndsAsSoonAsTheWayToTheStoreIsBeingClosed(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		put(t, foreign(t, store), "election//t/singleton/other/1")
		m := join(t, store, "m")
		stuck := m.leadWith(func(ctx context.Context, s *stand) error { <-s.work; return nil })
		begun := time.Now()
		time.AfterFunc(time.Second, func() { _ = m.Close(context.Background()) })
		_, err := election.New(m.Lease, "other", "m").Campaign(t.Context())
		if took := time.Since(begun); !errors.Is(err, election.ErrClosed) || took != time.Second {
			t.Errorf("after %v: error %v, want %v after 1s", took, err, election.ErrClosed)
		}
		if q := stored(t, store, "election//t/singleton/other/"); len(q) != 1 {
			t.Errorf("the queue is %v, want the foreign candidate alone", q)
		}
		mustQueue(t, store, "m")
		close(stuck.work)
		_ = stuck.end()
	})
}

func TestSecondCandidacyOfOneProcessIsRefusedUntilTheFirstHasLeft(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		m := join(t, store, "m")
		term, err := m.in().Campaign(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.in().Campaign(t.Context()); !errors.Is(err, election.ErrCandidate) {
			t.Errorf("a second Campaign: error %v, want %v", err, election.ErrCandidate)
		}
		if err := m.in().Lead(t.Context(), nil); !errors.Is(err, election.ErrCandidate) {
			t.Errorf("Lead: error %v, want %v", err, election.ErrCandidate)
		}
		heal := m.conn.Cut()
		if err := term.Resign(t.Context()); err == nil {
			t.Error("Resign said that the record is removed, of a process that is cut off")
		}
		s := m.lead() // stands behind its own old record
		heal()
		s.mustLead()
		if s.term().Token() <= term.Token() {
			t.Errorf("token %d after %d", s.term().Token(), term.Token())
		}
		// A stale resign does nothing.
		if err := term.Resign(t.Context()); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		s.mustLead()
	})
}

// A candidate that leaves in the moment of its victory is told of no term, or of one that has ended.
func TestCandidateThatLeftIsNotElected(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		leader, m := join(t, store, "leader").lead(), join(t, store, "m")
		for range 20 {
			terms := make(chan election.Term, 10)
			c, err := m.in().Enter(t.Context(), func(t election.Term) { terms <- t })
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			go leader.cancel()
			if err := c.Leave(t.Context()); err != nil {
				t.Error(err)
			}
			synctest.Wait()
			close(terms)
			for term := range terms {
				if term.Err() == nil || term.Context().Err() == nil {
					t.Error("a candidate that has left leads")
				}
			}
			leader = leader.lead()
		}
	})
}

func TestElectionWithABadNameOrOptionSaysSoEverywhere(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		m := join(t, store, "m")
		for i, e := range []*election.Election{
			election.New(m.Lease, "worker", "m"), election.New(m.Lease, "", "m"), election.New(m.Lease, "a/b", "m"),
			m.in(election.WithID("")), m.in(election.WithTakeoverDelay(-1)),
		} {
			_, campaign := e.Campaign(t.Context())
			_, leader := e.Leader(t.Context())
			_, enter := e.Enter(t.Context(), func(election.Term) {})
			for j, err := range []error{campaign, leader, enter, e.Lead(t.Context(), nil), e.Ask(t.Context(), election.Wish{})} {
				if err == nil {
					t.Errorf("election %d, method %d: no error", i, j)
				}
			}
		}
		if m.Session() != "" {
			t.Error("a session was opened")
		}
	})
}
