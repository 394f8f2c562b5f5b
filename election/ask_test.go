package election_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton/election"
	"github.com/singleton-go/singleton/engine/ramengine"
)

// ttl is how long a leader waits for candidates to make way, and an asker for the leader.
const ttl = 10 * time.Second

const wishKey = "election//t/wish/m/ask"

// An answer is what became of a wish.
type answer struct {
	t    *testing.T
	done chan struct{}
	err  error
	took time.Duration
}

// ask asks the leader of the election "m" in the background.
func (m *member) ask(w election.Wish) *answer {
	return m.askUntil(m.t.Context(), w)
}

func (m *member) askUntil(ctx context.Context, w election.Wish) *answer {
	a, begun := &answer{t: m.t, done: make(chan struct{})}, time.Now()
	go func() {
		defer close(a.done)
		a.err = m.in().Ask(ctx, w)
		a.took = time.Since(begun)
	}()
	synctest.Wait()
	return a
}

// must waits for the answer.
func (a *answer) must(want error, took time.Duration, says ...string) {
	a.t.Helper()
	<-a.done
	if !errors.Is(a.err, want) || a.took != took {
		a.t.Errorf("after %v: error %v, want after %v: %v", a.took, a.err, took, want)
		return
	}
	for _, part := range says {
		if !strings.Contains(a.err.Error(), part) {
			a.t.Errorf("error %q does not say %q", a.err, part)
		}
	}
}

func (a *answer) mustWait() {
	a.t.Helper()
	synctest.Wait()
	select {
	case <-a.done:
		a.t.Errorf("the wish was answered after %v: %v", a.took, a.err)
	default:
	}
}

// A quartet is a leader, two that wait, and somebody who only asks.
type quartet struct {
	a, b, c *stand
	asker   *member
}

func newQuartet(t *testing.T, store *ramengine.Engine) quartet {
	t.Helper()
	q := quartet{join(t, store, "a").lead(), join(t, store, "b").lead(), join(t, store, "c").lead(), join(t, store, "asker")}
	mustQueue(t, store, "a", "b", "c")
	return q
}

func to(s *stand) election.Wish { return election.Wish{To: s.Session()} }

func TestWishIsDoneWhenTheLeaderHasMadeWay(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		wish func(quartet) election.Wish
		want []string
	}{
		"to resign":                     {func(quartet) election.Wish { return election.Wish{} }, []string{"b", "c"}},
		"to hand over to the next":      {func(q quartet) election.Wish { return to(q.b) }, []string{"b", "c"}},
		"to hand over to one behind it": {func(q quartet) election.Wish { return to(q.c) }, []string{"c", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *ramengine.Engine) {
				q := newQuartet(t, store)
				q.asker.ask(test.wish(q)).must(nil, 0)
				mustQueue(t, store, test.want...)
				if err := q.a.end(); err != nil {
					t.Error(err)
				}
				if len(stored(t, store, "election//t/wish/")) != 0 {
					t.Error("the wish is still there")
				}
				q.asker.ask(election.Wish{}).must(nil, 0) // and the next one
				mustQueue(t, store, test.want[1])
			})
		})
	}
}

func TestLeaderThatIsAskedDrainsAsLongAsItTakes(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		a := join(t, store, "a").leadWith(func(ctx context.Context, s *stand) error {
			<-ctx.Done()
			if cause := context.Cause(ctx); !errors.Is(cause, election.ErrAsked) || !strings.HasSuffix(cause.Error(), "by asker") {
				t.Errorf("cause %v, want %v, and by whom", cause, election.ErrAsked)
			}
			<-s.work
			return nil
		})
		b := join(t, store, "b").lead()
		wish := join(t, store, "asker").ask(to(b))
		time.Sleep(time.Hour)
		wish.mustWait()
		b.mustWait()
		close(a.work)
		wish.must(nil, time.Hour)
		b.mustLead()
	})
}

// A leader that is asked what it does already has been asked in time.
func TestLeaderOnItsWayOutFollowsAWishToo(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		wish func(quartet) election.Wish
		next string
	}{
		"to resign":    {func(quartet) election.Wish { return election.Wish{} }, "b"},
		"to hand over": {func(q quartet) election.Wish { return to(q.c) }, "c"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *ramengine.Engine) {
				a := join(t, store, "a").leadWith(func(_ context.Context, s *stand) error { <-s.work; return nil })
				q := quartet{a, join(t, store, "b").lead(), join(t, store, "c").lead(), join(t, store, "asker")}
				a.cancel()
				wish := q.asker.ask(test.wish(q))
				time.Sleep(time.Hour)
				wish.mustWait()
				close(a.work)
				wish.must(nil, time.Hour)
				if leader, err := q.asker.in().Leader(t.Context()); err != nil || leader.Candidate != test.next {
					t.Errorf("leader %+v, %v; want %s", leader, err, test.next)
				}
			})
		})
	}
}

func TestWishThatCannotBeDoneIsRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		wish func(quartet) election.Wish
		took time.Duration
		says string
	}{
		"to one that leads already":     {func(q quartet) election.Wish { return to(q.a) }, 0, "leads already"},
		"to one that doesn't wait":      {func(quartet) election.Wish { return election.Wish{To: "nobody"} }, 0, "not in the queue"},
		"to one behind a foreign one":   {func(q quartet) election.Wish { return to(behindForeign(q)) }, ttl, "did not make way; first is session"},
		"to one behind one that is cut": {func(q quartet) election.Wish { q.b.conn.Stall(); return to(q.c) }, ttl, "did not make way; first is session"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *ramengine.Engine) {
				q := newQuartet(t, store)
				q.asker.ask(test.wish(q)).must(election.ErrRefused, test.took, test.says)
				q.a.mustLead()
			})
		})
	}
}

// behindForeign lets a foreign candidate queue, and one behind it.
func behindForeign(q quartet) *stand {
	put(q.a.t, foreign(q.a.t, q.a.store), "election//t/singleton/m/1")
	return join(q.a.t, q.a.store, "d").lead()
}

func TestWishWithoutALeaderThatFollowsIt(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		asker := join(t, store, "asker")
		asker.ask(election.Wish{}).must(election.ErrVacant, 0)
		put(t, foreign(t, store), "election//t/singleton/m/1")
		synctest.Wait()
		asker.ask(election.Wish{}).must(election.ErrUnanswered, ttl)
	})
}

func TestSecondWishIsPendingUntilTheFirstIsDone(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		q := newQuartet(t, store)
		q.b.conn.Stall()
		first := q.asker.ask(to(q.c))
		q.asker.ask(election.Wish{}).must(election.ErrPending, 0)
		q.a.ask(election.Wish{}).must(election.ErrPending, 0)
		first.must(election.ErrRefused, ttl)
		q.a.ask(to(q.b)).must(nil, 0)
	})
}

func TestWishExpiresWithTheTermThatAdoptedIt(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		q := newQuartet(t, store)
		q.b.conn.Stall()
		wish := q.asker.ask(to(q.c))
		time.Sleep(time.Second)
		endSession(q.a.member)
		wish.must(election.ErrExpired, time.Second)
	})
}

// A leader that dies when it was asked to resign has made way.
func TestWishToResignIsDoneHoweverTheTermThatAdoptedItEnded(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		a := join(t, store, "a").leadWith(func(_ context.Context, s *stand) error { <-s.work; return nil })
		join(t, store, "b").lead()
		wish := join(t, store, "asker").ask(election.Wish{})
		time.Sleep(time.Second)
		wish.mustWait()
		endSession(a.member)
		wish.must(nil, time.Second)
		close(a.work)
	})
}

func TestWishVanishesWithItsAsker(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(asker *member, cancel func()){
		"whose context ends":   func(_ *member, cancel func()) { cancel() },
		"that dies":            func(m *member, _ func()) { m.t.Cleanup(m.conn.Cut()); endSession(m) },
		"that closes its way":  func(m *member, _ func()) { _ = m.Close(context.Background()) },
		"that gives up, twice": func(m *member, cancel func()) { cancel(); synctest.Wait() },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *ramengine.Engine) {
				q := newQuartet(t, store)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				heal := q.b.conn.Stall()
				wish := q.asker.askUntil(ctx, to(q.c))
				time.Sleep(ttl / 2) // with the rest, less than after which b gives up its place
				wish.mustWait()
				end(q.asker, cancel)
				synctest.Wait()
				if w := stored(t, store, wishKey); len(w) != 0 {
					t.Errorf("the wish is still there: %s", w[0].Value)
				}
				// The next one has the leader's patience to itself.
				other := join(t, store, "other").ask(to(q.c))
				time.Sleep(ttl - time.Second)
				other.mustWait()
				heal()
				other.must(nil, ttl-time.Second)
				cancel()
			})
		})
	}
}

// A candidate ahead of the wanted one makes way for it, and for nobody who is not there.
func TestWishIsOverWhenTheWayToTheStoreIsClosed(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		put(t, foreign(t, store), "election//t/singleton/m/1")
		m := join(t, store, "asker")
		wish := m.ask(election.Wish{})
		if err := m.Close(t.Context()); err != nil {
			t.Error(err)
		}
		wish.must(election.ErrClosed, 0)
	})
}

// The next leader refuses what was not for its term. An asker that sees this together with the hand-over was served.
