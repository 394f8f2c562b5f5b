package lease_test

import (
	"runtime"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/enginetest"
	"github.com/singleton-go/singleton/engine/ramengine"
	"github.com/singleton-go/singleton/internal/lease"
)

const many = 10_000

// candidates enters very many elections.
func (p *process) candidates() []*lease.Claim {
	p.t.Helper()
	all := make([]*lease.Claim, many)
	for i := range all {
		all[i] = p.candidate(strconv.Itoa(i))
	}
	return all
}

// leaders lets another program lead them all.
func leaders(t *testing.T, store *ramengine.Engine) {
	t.Helper()
	s, err := store.Open(t.Context(), engine.SessionOptions{TTL: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	for i := range many {
		if _, err := s.Create(t.Context(), "election//t/singleton/"+strconv.Itoa(i)+"/1", nil); err != nil {
			t.Fatal(err)
		}
	}
}

// Not parallel: goroutines are counted.
func TestManyCandidaciesCostNoGoroutineAndNoTrafficWhileTheyWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := ramengine.New()
		leaders(t, store)
		p := join(t, store)
		p.candidate("first")
		synctest.Wait()
		before := runtime.NumGoroutine()
		p.candidates()
		p.until(time.Second)
		if n := runtime.NumGoroutine() - before; n > 10 { // what the test itself may have started
			t.Errorf("%d candidacies that wait have %d goroutines", many, n)
		}
		if n := len(p.sent(enginetest.OpCreate)); n != many+1 {
			t.Errorf("%d creations, want %d, each once", n, many+1)
		}
		quiet := len(p.sent(enginetest.OpCreate, enginetest.OpReplace, enginetest.OpDelete, enginetest.OpOpen, enginetest.OpWatch))
		renewals := len(p.sent(enginetest.OpRenew))
		p.until(10*time.Minute + time.Second)
		calls := p.sent(enginetest.OpCreate, enginetest.OpReplace, enginetest.OpDelete, enginetest.OpOpen, enginetest.OpWatch)
		if n := len(calls) - quiet; n != 0 {
			t.Errorf("%d calls in ten quiet minutes: %v", n, calls[quiet:])
		}
		if n := len(p.sent(enginetest.OpRenew)) - renewals; n != int(10*time.Minute/renewal) {
			t.Errorf("%d renewals in ten minutes, want %d", n, 10*time.Minute/renewal)
		}
	})
}

// After an outage everybody queues anew. That must not keep renewals waiting, nor those who give up a place.
func TestQueueingOfManyIsLimitedAndRenewalsAndDeletionsGoFirst(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := join(t, store)
		all := p.candidates()
		p.until(time.Second)
		const travel = 100 * time.Millisecond
		p.doomAll(enginetest.Fate{Reply: travel}, enginetest.OpCreate)
		creations, renewals := len(p.sent(enginetest.OpCreate)), len(p.sent(enginetest.OpRenew))
		p.endSession()
		p.until(4 * time.Second) // in the middle of it
		left := all[0]
		left.Leave(nil)
		<-left.Gone()
		if took := time.Since(p.start) - 4*time.Second; took != 0 {
			t.Errorf("to give up a place took %v, want no longer than one call", took)
		}
		p.until(30 * time.Second)
		const limit = 128
		again := p.sent(enginetest.OpCreate)[creations:]
		for i := range again[limit:] {
			if passed := again[i+limit].at - again[i].at; passed < travel {
				t.Errorf("within %v more than %d creations were sent, each of which takes %v", passed, limit, travel)
				break
			}
		}
		if took := again[len(again)-1].at - again[0].at; took > 2*travel*many/limit {
			t.Errorf("to queue again took %v", took)
		}
		if n := len(stored(t, store, "election")); n != many-1 {
			t.Errorf("%d places in the queues, want %d", n, many-1)
		}
		last := time.Duration(0)
		for i, c := range p.sent(enginetest.OpRenew)[renewals:] {
			if i > 0 && c.at-last != renewal {
				t.Errorf("%v between two renewals, want %v", c.at-last, renewal)
			}
			last = c.at
		}
	})
}

func TestCreationsWaitWhileRenewalsFailAndDeletionsDoNot(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := join(t, store)
		h := p.lead("m")
		p.doomAll(enginetest.Fate{Dropped: true}, enginetest.OpRenew)
		p.until(renewal + deadline)
		creations := len(p.sent(enginetest.OpCreate))
		c := p.candidate("other")
		record := must(t)(p.Record("/t/a", "1"))
		p.until(reach - instant)
		if n := len(p.sent(enginetest.OpCreate)) - creations; n != 0 {
			t.Errorf("%d creations while renewals failed", n)
		}
		h.Leave(nil)
		synctest.Wait()
		mustHave(t, store, "")
		p.doom(nil)
		p.until(reach + 2*deadline)
		mustHave(t, store, "", p.queue("other"), "/t/a")
		c.Leave(nil)
		record.Leave(nil)
	})
}
