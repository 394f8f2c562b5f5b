package election_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton/election"
	"github.com/singleton-go/singleton/engine/enginetest"
	"github.com/singleton-go/singleton/engine/ramengine"
)

func TestWishIsForTheTermThatItsAskerKnew(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]func(quartet) (heal func()){
		"when the asker is behind": func(q quartet) func() {
			heal := q.asker.conn.Stall()
			q.a.cancel()
			return heal
		},
		"when the leader ends before it looks": func(q quartet) func() {
			heal := q.a.conn.Stall()
			time.AfterFunc(time.Second, q.a.cancel)
			return heal
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *ramengine.Engine) {
				q := newQuartet(t, store)
				heal := late(q)
				synctest.Wait()
				wish := q.asker.ask(election.Wish{})
				time.Sleep(2 * time.Second)
				heal()
				<-wish.done
				if !errors.Is(wish.err, election.ErrExpired) {
					t.Errorf("error %v, want %v", wish.err, election.ErrExpired)
				}
				time.Sleep(ttl)
				q.b.mustLead() // whom nobody asked
			})
		})
	}
}

func TestCandidatesMakeWayOnceAndOnlyForOneThatWaits(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		q := newQuartet(t, store)
		put(t, foreign(t, store), "election//t/singleton/m/1") // which stays, so that the leader waits
		d := join(t, store, "d").lead()
		wish := q.asker.ask(to(d))
		time.Sleep(time.Second)
		wish.mustWait()
		heal := q.a.conn.Cut() // the leader can't refuse
		d.cancel()
		<-d.done
		time.Sleep(time.Second)
		heal()
		wish.must(election.ErrRefused, 2*time.Second, "not in the queue")
		if b, c := q.b.sent(enginetest.OpCreate), q.c.sent(enginetest.OpCreate); b != 2 || c != 2 {
			t.Errorf("b and c queued %d and %d times, want each twice", b, c)
		}
	})
}

func TestWishWhoseCreationGotNoReplyKeepsItsAnswer(t *testing.T) {
	t.Parallel()
	for name, fate := range map[string]enginetest.Fate{"none": {Lost: true}, "an error": {Fail: errors.New("no")}} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *ramengine.Engine) {
				a := join(t, store, "a").leadWith(func(_ context.Context, s *stand) error { <-s.work; return nil })
				asker := join(t, store, "asker")
				asker.harm(func(c enginetest.Call) enginetest.Fate {
					if c.Op == enginetest.OpCreate && c.N == 1 {
						return fate
					}
					return enginetest.Fate{}
				})
				wish := asker.ask(election.Wish{})
				time.Sleep(5 * time.Second)
				if w := stored(t, store, wishKey); len(w) != 1 || !strings.Contains(string(w[0].Value), "adopted") {
					t.Errorf("the wish is %+v, want it adopted", w)
				}
				if n := asker.sent(enginetest.OpReplace); n != 0 {
					t.Errorf("the asker wrote %d times over the answer", n)
				}
				close(a.work)
				wish.must(nil, 5*time.Second)
			})
		})
	}
}

func TestLeaderAnswersOnceHoweverLateItSeesItsAnswer(t *testing.T) {
	t.Parallel()
	const late = 400 * time.Millisecond
	for name, test := range map[string]struct {
		op   enginetest.Op
		fate enginetest.Fate
		took time.Duration
	}{
		"when the reply is late":    {enginetest.OpReplace, enginetest.Fate{Reply: late}, 0},
		"when the sight of it is":   {enginetest.OpUpdate, enginetest.Fate{Reply: late}, 2 * late},
		"when the reply is lost":    {enginetest.OpReplace, enginetest.Fate{Lost: true}, 0},
		"when the reply is a fault": {enginetest.OpReplace, enginetest.Fate{Fail: errors.New("no")}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *ramengine.Engine) {
				q := newQuartet(t, store)
				q.a.doom(test.op, test.fate)
				q.asker.ask(election.Wish{}).must(nil, test.took)
				if n := q.a.sent(enginetest.OpReplace); n != 1 {
					t.Errorf("%d answers, want 1", n)
				}
			})
		})
	}
}

// Something else happens in the queue between the answer and the sight of it.
func TestLeaderThatLooksAgainBeforeItSeesItsAnswerWaitsForIt(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		q := newQuartet(t, store)
		const late = 400 * time.Millisecond
		q.a.harm(func(c enginetest.Call) enginetest.Fate {
			switch c.Op {
			case enginetest.OpUpdate:
				return enginetest.Fate{Reply: late}
			case enginetest.OpReplace:
				return enginetest.Fate{Request: late / 2}
			}
			return enginetest.Fate{}
		})
		wish := q.asker.ask(election.Wish{})
		time.Sleep(late / 4)
		put(t, foreign(t, store), "election//t/singleton/m/1")
		wish.must(nil, 3*late)
		if n := q.a.sent(enginetest.OpReplace); n != 1 {
			t.Errorf("%d answers, want 1", n)
		}
	})
}

// The leader sees the second wish at the instant at which the first is gone.
func TestWishHasTheLeadersPatienceToItself(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		q := newQuartet(t, store)
		q.b.doom(enginetest.OpDelete, drop) // so that it can't make way
		ctx, cancel := context.WithTimeout(t.Context(), ttl/2)
		defer cancel()
		q.asker.askUntil(ctx, to(q.c))
		time.Sleep(ttl/2 - time.Second)
		heal := q.a.conn.Stall()
		time.Sleep(2 * time.Second)
		second := q.asker.ask(to(q.c))
		time.Sleep(time.Second)
		heal()
		second.must(election.ErrRefused, time.Second+ttl, "did not make way")
	})
}

func TestWishThatWasNotWrittenForThisTermMovesNobody(t *testing.T) {
	t.Parallel()
	for name, wish := range map[string]string{
		"adopted by another term": `{"id":"x","to":"%s","state":"adopted","token":1}`,
		"for another term":        `{"id":"x","to":"%s","for":1}`,
		"refused":                 `{"id":"x","to":"%s","state":"refused","token":%d}`,
		"in a form not known":     `["%s"]`,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *ramengine.Engine) {
				q := newQuartet(t, store)
				defer q.a.conn.Mute()() // the leader answers late
				value := strings.Replace(strings.Replace(wish, "%s", q.c.Session(), 1), "%d", strconv.FormatUint(q.a.term().Token(), 10), 1)
				if _, err := foreign(t, store).Create(t.Context(), wishKey, []byte(value)); err != nil {
					t.Fatal(err)
				}
				time.Sleep(callTimeout)
				mustQueue(t, store, "a", "b", "c")
			})
		})
		t.Run(name+", seen by the leader", func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *ramengine.Engine) {
				q := newQuartet(t, store)
				value := strings.Replace(strings.Replace(wish, "%s", q.b.Session(), 1), "%d", strconv.FormatUint(q.a.term().Token(), 10), 1)
				if _, err := foreign(t, store).Create(t.Context(), wishKey, []byte(value)); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * ttl)
				q.a.mustLead()
				mustQueue(t, store, "a", "b", "c")
			})
		})
	}
}

func TestAnswerThatFailsIsWrittenAgainAfterAWhile(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		q := newQuartet(t, store)
		q.a.harm(func(c enginetest.Call) enginetest.Fate {
			if c.Op == enginetest.OpReplace && c.N < 4 {
				return enginetest.Fate{Refuse: errors.New("no")}
			}
			return enginetest.Fate{}
		})
		q.asker.ask(election.Wish{}).must(nil, 3*callTimeout)
	})
}

func TestWishBesideAnotherProcesssIsAnsweredAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		s := foreign(t, store)
		put(t, s, "election//t/singleton/m/1")
		put(t, s, wishKey)
		join(t, store, "asker").ask(election.Wish{}).must(election.ErrPending, 0)
	})
}

func TestWishThatTheNextLeaderRefusesIsDone(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		join(t, store, "a").lead()
		b, asker := join(t, store, "b").lead(), join(t, store, "asker")
		synctest.Wait()
		heal := asker.conn.Stall()
		wish := asker.ask(election.Wish{})
		b.mustLead()
		put(t, foreign(t, store), "election//t/singleton/m/1") // b looks again when another joins
		synctest.Wait()
		if w := stored(t, store, wishKey); len(w) != 1 || !strings.Contains(string(w[0].Value), "earlier term") {
			t.Errorf("the wish is %+v, want it refused by the next leader", w)
		}
		heal()
		wish.must(nil, 0)
	})
}
