package election_test

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton/election"
	"github.com/singleton-go/singleton/engine/enginetest"
	"github.com/singleton-go/singleton/engine/ramengine"
)

// takeover is the delay that the candidates of these tests wait after an end that was not clean.
const takeover = 20 * time.Second

func delayed() election.Option { return election.WithTakeoverDelay(takeover) }

// mustBegin checks when the term of a candidate begins.
func (s *stand) mustBegin(after time.Duration, since time.Time) {
	s.t.Helper()
	time.Sleep(2 * takeover)
	s.mustLead()
	if got := s.term().Since().Sub(since); got != after {
		s.t.Errorf("the term of %s began after %v, want %v", s.name, got, after)
	}
}

// leaderAndNext returns a leader that has waited out its own delay, and a candidate behind it.
func leaderAndNext(t *testing.T, store *ramengine.Engine) (a, b *stand) {
	t.Helper()
	a = join(t, store, "a").lead(delayed())
	a.mustWait()
	a.mustBegin(takeover, time.Now()) // it can't know that nobody led before
	return a, join(t, store, "b").lead(delayed())
}

func TestTakeoverDelayIsWaitedAfterAnEndThatWasNotClean(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		clean bool // the end before this one was
		end   func(a, b *stand)
		gone  time.Duration // until the leader's record is gone
	}{
		"as that of a leader that died":    {false, func(a, _ *stand) { endSession(a.member) }, 0},
		"as that which was not seen":       {false, func(a, b *stand) { unseen(b.member, a.cancel) }, 0},
		"as that which could not be noted": {false, func(a, _ *stand) { a.doom(enginetest.OpCreate, drop); a.cancel() }, callTimeout},
		"as that which was no resignation": {false, func(a, _ *stand) { // its runner was told at the stop line, and has returned
			a.doom(enginetest.OpRenew, enginetest.Fate{Lost: true})
		}, 5 * time.Second},
		"though the one before was clean": {true, func(a, _ *stand) { endSession(a.member) }, 0},
		"though the one before was seen":  {true, func(a, b *stand) { unseen(b.member, a.cancel) }, 0},
		"though another record says so": {false, func(a, b *stand) {
			s, token := foreign(a.t, a.store), strconv.FormatUint(a.term().Token(), 10)
			for key, value := range map[string]string{"other/m/1": token, "released/other/1": token, "released/m/1": "1", "wish/m/1": token} {
				if _, err := s.Create(a.t.Context(), "election//t/"+key, []byte(value)); err != nil {
					a.t.Error(err)
				}
			}
			synctest.Wait()
			endSession(a.member)
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *ramengine.Engine) {
				a, b := leaderAndNext(t, store)
				if test.clean {
					a.cancel()
					b.mustLead()
					a, b = b, a.lead(delayed())
				}
				time.Sleep(time.Second)
				begun := time.Now()
				test.end(a, b)
				b.mustBegin(test.gone+takeover, begun)
			})
		})
	}
}

var drop = enginetest.Fate{Dropped: true}

// unseen does something of which a process sees no more than the state of the store after it.
func unseen(m *member, do func()) {
	heal := m.conn.Stall()
	do()
	synctest.Wait()
	m.conn.ResetWatches()
	heal()
	synctest.Wait()
}

func TestTakeoverDelayIsNotWaitedAfterACleanEnd(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(a, b *stand){
		"when told to stop":     func(a, _ *stand) { a.cancel() },
		"when the work is done": func(a, _ *stand) { close(a.work) },
		"when asked":            func(a, b *stand) { go func() { _ = b.in().Ask(context.Background(), election.Wish{}) }() },
		"of a process that ends at once": func(a, b *stand) {
			seenLate(b.member, func() { a.cancel(); <-a.done; _ = a.Close(context.Background()) })
		},
		"of a process that ends later":    func(a, _ *stand) { a.cancel(); <-a.done; _ = a.Close(context.Background()) },
		"of a process that leads again":   func(a, _ *stand) { a.cancel(); <-a.done; a.lead(delayed()).cancel() },
		"of a process that ends, is seen": func(a, b *stand) { a.cancel(); <-a.done; endSession(a.member) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *ramengine.Engine) {
				a, b := leaderAndNext(t, store)
				begun := time.Now()
				end(a, b)
				b.mustBegin(0, begun)
			})
		})
	}
}

// seenLate does something of which a process sees every step, but all at once.
func seenLate(m *member, do func()) {
	heal := m.conn.Stall()
	do()
	synctest.Wait()
	heal()
	synctest.Wait()
}

func TestTakeoverDelayBeginsAnewWithEveryPlaceAtTheHead(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		a, b := leaderAndNext(t, store)
		endSession(a.member)
		time.Sleep(takeover / 2)
		b.mustWait()
		endSession(b.member) // b queues again
		b.mustBegin(takeover, time.Now())
	})
}

func TestCandidateThatLeavesDuringItsTakeoverDelayIsNotElected(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		a, b := leaderAndNext(t, store)
		endSession(a.member)
		time.Sleep(takeover / 2)
		b.cancel()
		<-b.done
		b.mustWait()
		c := join(t, store, "c").lead(delayed())
		c.mustBegin(takeover, time.Now()) // b was no leader, but whether a's last effects have arrived is not known
	})
}

func TestTermBeginsAfterTheTakeoverDelayOnlyWhereItIsTrusted(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		a, b := leaderAndNext(t, store)
		endSession(a.member)
		time.Sleep(takeover - 8*time.Second)
		b.doom(enginetest.OpUpdate, drop)
		time.Sleep(10 * time.Second)
		b.mustWait()
		b.harm(nil)
		b.conn.ResetWatches()
		b.mustLead()
	})
}

// What others in the queue do after a clean end makes it no less clean.
func TestCleanEndIsRememberedUntilTheTermBegins(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		a, b := leaderAndNext(t, store)
		c := join(t, store, "c").lead(delayed())
		b.doom(enginetest.OpRenew, enginetest.Fate{Lost: true}) // they arrive, but b does not know
		time.Sleep(ttl - 2*time.Second)                         // b is trusted no longer, and has not given up yet
		a.cancel()
		synctest.Wait()
		c.cancel()
		time.Sleep(time.Second)
		b.mustWait()
		b.harm(nil)
		healed := time.Now()
		time.Sleep(2 * callTimeout)
		b.mustLead()
		if after := b.term().Since().Sub(healed); after > 2*callTimeout {
			t.Errorf("the term began %v after trust could come back", after)
		}
	})
}

func TestNoteOfACleanEndIsReplacedByTheNextAndGoesWithItsSession(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		m := join(t, store, "m")
		put(t, foreign(t, store), "election//t/singleton/other/1")
		waits, err := election.New(m.Lease, "other", "m").Enter(t.Context(), func(election.Term) {}) // keeps a session
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			s := m.lead(delayed())
			time.Sleep(takeover)
			s.mustLead()
			s.cancel()
			<-s.done
			notes := stored(t, store, "election//t/released/")
			if token := strconv.FormatUint(s.term().Token(), 10); len(notes) != 1 || string(notes[0].Value) != token {
				t.Errorf("the notes are %+v, want one of token %s", notes, token)
			}
		}
		endSession(m)
		time.Sleep(time.Minute)
		if notes := stored(t, store, "election//t/released/"); len(notes) != 0 {
			t.Errorf("the notes of the session before are %+v", notes)
		}
		if err := waits.Leave(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
