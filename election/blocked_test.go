package election_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton/election"
	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/enginetest"
	"github.com/singleton-go/singleton/engine/ramengine"
)

// One that is next in the queue, and is heard by the store but can't lead, keeps the others waiting for no longer than it would
// if it were dead: until it gives up to renew, and a TTL.
func TestCandidateThatCannotBeTrustedKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(b *member) (heal func()){
		"whose watch stands still": func(b *member) func() { return b.conn.Stall() },
		"that hears no answers":    func(b *member) func() { return b.conn.Mute() },
		"whose renewals are unanswered": func(b *member) func() {
			b.doom(enginetest.OpRenew, enginetest.Fate{Lost: true})
			return func() { b.harm(nil) }
		},
		"whose watch begins anew, and stands still": func(b *member) func() {
			heal := b.conn.Stall()
			b.conn.BreakWatches(errors.New("broken"))
			return heal
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *ramengine.Engine) {
				a := join(t, store, "a").lead()
				b := join(t, store, "b")
				b.lead()
				c := join(t, store, "c").lead()
				time.Sleep(time.Minute)
				defer fault(b)()
				time.Sleep(simStopLine + callTimeout) // b is not trusted any more
				a.cancel()
				time.Sleep(ttl + ttl/4)
				synctest.Wait()
				c.mustLead()
				time.Sleep(24 * time.Hour) // it comes back into the queue, if at all, behind the others
				synctest.Wait()
				c.mustLead()
				c.cancel()
				d := join(t, store, "d").lead()
				time.Sleep(time.Hour)
				synctest.Wait()
				d.mustLead()
			})
		})
	}
}

func TestLeadTellsALossAlsoWhileItsLeaseIsClosed(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		a, b := join(t, store, "a"), join(t, store, "b")
		result := make(chan error, 1)
		go func() {
			result <- a.in().Lead(t.Context(), func(ctx context.Context, _ election.Term) error {
				<-ctx.Done()
				time.Sleep(4 * ttl)
				return nil
			})
		}()
		synctest.Wait()
		closed := make(chan error, 1)
		go func() { closed <- a.Close(context.Background()) }()
		synctest.Wait()
		defer a.conn.Cut()()
		term, err := b.in().Campaign(t.Context()) // while a is at work still
		if err != nil {
			t.Fatal(err)
		}
		if err := <-result; !errors.Is(err, election.ErrLost) {
			t.Errorf("Lead returned %v, want %v", err, election.ErrLost)
		}
		if err := <-closed; err != nil {
			t.Logf("close: %v", err) // it may have found the store out of reach
		}
		if err := term.Resign(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestLeadOfALeaseThatIsClosedInOrderTellsNoLoss(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		a := join(t, store, "a")
		result := make(chan error, 1)
		go func() {
			result <- a.in().Lead(t.Context(), func(ctx context.Context, _ election.Term) error {
				<-ctx.Done()
				time.Sleep(4 * ttl)
				return nil
			})
		}()
		synctest.Wait()
		if err := a.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-result; err != nil {
			t.Errorf("Lead returned %v", err)
		}
	})
}

func TestAskIsToldThatTheStoreWentBack(t *testing.T) {
	t.Parallel()
	for name, adopts := range map[string]bool{"after the wish was adopted": true, "before": false} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *ramengine.Engine) {
				a := join(t, store, "a").leadWith(func(_ context.Context, s *stand) error { <-s.work; return nil })
				if !adopts {
					a.doom(enginetest.OpReplace, enginetest.Fate{Refuse: errors.New("no")})
				}
				wish := join(t, store, "asker").ask(election.Wish{})
				time.Sleep(time.Second)
				wish.mustWait()
				store.Rewind()
				wish.must(engine.ErrRewound, time.Second)
				close(a.work)
			})
		})
	}
}

// A wish that was given up, and whose record comes late, is not taken for the next one of the same process.
func TestLateWishIsNotTakenForTheNext(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		a := join(t, store, "a")
		a.lead()
		b := join(t, store, "b").lead()
		time.Sleep(time.Second)
		a.doom(enginetest.OpUpdate, enginetest.Fate{Reply: callTimeout / 2}) // it sees both wishes at once
		c := join(t, store, "c").lead()
		time.Sleep(time.Second)
		asker := join(t, store, "asker")
		if _, err := asker.in().Leader(t.Context()); err != nil {
			t.Fatal(err)
		}
		late := true
		asker.harm(func(call enginetest.Call) enginetest.Fate {
			switch {
			case call.Op == enginetest.OpUpdate:
				return enginetest.Fate{Reply: callTimeout / 3}
			case late && call.Op == enginetest.OpCreate && strings.Contains(call.Key, "/wish/"):
				late = false
				return enginetest.Fate{Request: callTimeout + 50*time.Millisecond}
			}
			return enginetest.Fate{}
		})
		ctx, cancel := context.WithTimeout(t.Context(), callTimeout+10*time.Millisecond)
		defer cancel()
		if err := asker.in().Ask(ctx, election.Wish{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		time.Sleep(60 * time.Millisecond) // by now it has come
		if err := asker.in().Ask(t.Context(), to(c)); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		c.mustLead()
		b.mustWait()
	})
}
