package election_test

import (
	"context"
	"errors"
	"runtime"
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
					m.conn.Decide(func(c enginetest.Call) enginetest.Fate {
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

func TestResignTellsTheRunnerFirstAndIsBoundedWhenCutOff(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		m := join(t, store, "m")
		term, err := m.in().Campaign(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		heal := m.conn.Cut()
		told, begun := make(chan time.Duration, 1), time.Now()
		context.AfterFunc(term.Context(), func() { told <- time.Since(begun) })
		err = term.Resign(t.Context())
		if took := time.Since(begun); err == nil || took > 2*callTimeout {
			t.Errorf("after %v: %v", took, err)
		}
		if after := <-told; after != 0 {
			t.Errorf("the runner was told after %v", after)
		}
		if cause := context.Cause(term.Context()); !errors.Is(cause, election.ErrResigned) {
			t.Errorf("cause %v, want %v", cause, election.ErrResigned)
		}
		mustQueue(t, store, "m")
		heal()
		time.Sleep(time.Second)
		mustQueue(t, store)
	})
}

func TestResignWorksWithAnEndedContext(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		m := join(t, store, "m")
		ctx, cancel := context.WithCancel(t.Context())
		term, err := m.in().Campaign(ctx)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		if term.Err() != nil || term.Context().Err() != nil {
			t.Error("the term ended with the context of its campaign")
		}
		for range 3 { // it is safe to repeat
			if err := term.Resign(ctx); err != nil {
				t.Error(err)
			}
		}
		mustQueue(t, store)
		select {
		case <-term.Lost():
		default:
			t.Error("a term that was resigned is still held")
		}
	})
}

func TestLeadReleasesOnlyWhenItsFunctionHasReturned(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		end  func(*stand)
		want error
	}{
		"when told to stop":        {func(s *stand) { s.cancel() }, context.Canceled},
		"when asked":               {func(s *stand) { go func() { _ = s.in().Ask(s.t.Context(), election.Wish{}) }() }, election.ErrAsked},
		"when the lease is closed": {func(s *stand) { go func() { _ = s.Close(context.Background()) }() }, election.ErrClosed},
		"when renewals fail":       {func(s *stand) { s.doom(enginetest.OpRenew, enginetest.Fate{Lost: true}) }, election.ErrLost},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *ramengine.Engine) {
				s := join(t, store, "a").leadWith(func(ctx context.Context, s *stand) error {
					<-ctx.Done()
					if cause := context.Cause(ctx); !errors.Is(cause, test.want) {
						t.Errorf("cause %v, want %v", cause, test.want)
					}
					<-s.work
					return nil
				})
				next := join(t, store, "b").lead()
				test.end(s)
				time.Sleep(time.Minute)
				next.mustWait()
				mustQueue(t, store, "a", "b")
				close(s.work)
				err := s.end()
				if lost := errors.Is(test.want, election.ErrLost); errors.Is(err, election.ErrLost) != lost || !lost && err != nil {
					t.Errorf("Lead returned %v", err)
				}
				next.mustLead()
			})
		})
	}
}

func TestLeadReturnsWhatItsFunctionDid(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		m, broken := join(t, store, "a"), errors.New("broken")
		s := m.leadWith(func(context.Context, *stand) error { return broken })
		if err := s.end(); !errors.Is(err, broken) || errors.Is(err, election.ErrLost) {
			t.Errorf("error %v, want %v", err, broken)
		}
		s = m.leadWith(func(ctx context.Context, s *stand) error { // the machine sleeps, and no timer has come yet
			s.asleep.Add(int64(time.Minute))
			return broken
		})
		if err := s.end(); !errors.Is(err, broken) || !errors.Is(err, election.ErrLost) {
			t.Errorf("error %v, want %v and %v", err, broken, election.ErrLost)
		}
		mustQueue(t, store)
	})
}

func TestLeadResignsWhenItsFunctionPanicsOrExits(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		m := join(t, store, "a")
		lead := func(fn func()) (v any) {
			defer func() { v = recover() }()
			_ = m.in().Lead(t.Context(), func(context.Context, election.Term) error { fn(); return nil })
			return nil
		}
		if v := lead(func() { panic("broken") }); v != "broken" {
			t.Errorf("recovered %v, want the panic of the function", v)
		}
		mustQueue(t, store)
		exited := make(chan struct{})
		go func() {
			defer close(exited)
			lead(runtime.Goexit)
		}()
		<-exited
		mustQueue(t, store)
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

func TestTermOfASessionThatWasLostEndsAndTheOldTermHarmsNotTheNew(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		m := join(t, store, "m")
		first, err := m.in().Campaign(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		endSession(m)
		<-first.Lost()
		if err := first.Check(); !errors.Is(err, election.ErrLost) {
			t.Errorf("error %v, want %v", err, election.ErrLost)
		}
		if err := first.Resign(t.Context()); err != nil {
			t.Error(err)
		}
		s := m.lead()
		s.mustLead()
		_ = first.Resign(t.Context())
		time.Sleep(time.Minute)
		s.mustLead()
		if s.term().Token() <= first.Token() {
			t.Errorf("token %d after %d", s.term().Token(), first.Token())
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

func TestZeroTermIsNobodys(t *testing.T) {
	t.Parallel()
	var term election.Term
	if term.Token() != 0 || term.Election() != "" || !term.Since().IsZero() || term.Context().Err() != nil || term.Lost() != nil {
		t.Errorf("the zero term is %+v", term)
	}
	if !errors.Is(term.Err(), election.ErrLost) || !errors.Is(term.Check(), election.ErrLost) || term.Resign(t.Context()) != nil {
		t.Error("the zero term is held")
	}
	if _, ok := election.TermFrom(t.Context()); ok {
		t.Error("a context without a term has one")
	}
}
