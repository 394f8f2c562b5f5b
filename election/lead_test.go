package election_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/singleton-go/singleton/election"
	"github.com/singleton-go/singleton/engine/enginetest"
	"github.com/singleton-go/singleton/engine/ramengine"
)

func TestResignTellsTheRunnerFirstAndIsBoundedWhenCutOff(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]election.Option{"without a note": nil, "with a note of the end": {delayed()}} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *ramengine.Engine) {
				m := join(t, store, "m")
				term, err := m.in(options...).Campaign(t.Context())
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
		})
	}
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

func TestTermThatIsStoppedIsHeldUntilItIsResigned(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		m := join(t, store, "m")
		term, err := m.in().Campaign(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		enough := errors.New("enough")
		term.Stop(enough)
		term.Stop(errors.New("once more"))
		if cause := context.Cause(term.Context()); !errors.Is(cause, enough) || term.Check() != nil {
			t.Errorf("the context ended with %v and the term with %v, want %v and nothing", cause, term.Check(), enough)
		}
		if err := term.Resign(t.Context()); err != nil || term.Check() == nil {
			t.Errorf("resigned with %v, and then the term is held: %v", err, term.Check() == nil)
		}
	})
}

func TestZeroTermIsNobodys(t *testing.T) {
	t.Parallel()
	var term election.Term
	term.Stop(nil)
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
