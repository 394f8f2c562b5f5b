package lease_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/enginetest"
	"github.com/singleton-go/singleton/engine/ramengine"
	"github.com/singleton-go/singleton/internal/lease"
)

func TestNoHoldBeginsBeforeTheOwnRecordWasSeenAtTheHead(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		first, second := join(t, store), join(t, store)
		synctest.Wait()
		heal := first.conn.Stall()
		a := first.candidate("m")
		synctest.Wait()
		b := second.candidate("m")
		synctest.Wait()
		if _, _, ok := a.Hold(t.Context()); ok {
			t.Error("a record that was created, and not seen, was held")
		}
		if _, _, ok := b.Hold(t.Context()); ok {
			t.Error("a record behind another was held")
		}
		heal()
		synctest.Wait()
		first.hold(a).mustLast()
		a.Leave(nil)
		synctest.Wait()
		second.hold(b).mustLast()
	})
}

func TestNoHoldBeginsWhenTheClaimWasLeft(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := join(t, store)
		c := p.candidate("m")
		synctest.Wait()
		p.doomAll(enginetest.Fate{Request: time.Second / 2}, enginetest.OpDelete)
		c.Leave(nil)
		if _, _, ok := c.Hold(t.Context()); ok || c.Heads() == 0 {
			t.Errorf("a claim that was left, and whose record %d is still at the head, was held: %v", c.Heads(), ok)
		}
	})
}

// The mirror shows the old record of this session at the head, while in the store the new one stands behind another's.
func TestOldRecordAtTheHeadIsNotTakenForTheNewOne(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p, other := join(t, store), join(t, store)
		must(t)(p.Record("/t/a", "1"))
		synctest.Wait()
		p.doomAll(enginetest.Fate{Reply: time.Second}, enginetest.OpUpdate)
		old := p.candidate("m")
		synctest.Wait()
		h := other.candidate("m")
		synctest.Wait()
		old.Leave(nil)
		<-old.Gone()
		c := p.candidate("m")
		synctest.Wait()
		other.hold(h)
		for range 50 {
			time.Sleep(time.Second / 10)
			if got := c.Heads(); got != 0 {
				t.Fatalf("after %v the new record %d is at the head, in front of the one that leads", time.Since(p.start), got)
			}
			if _, _, ok := c.Hold(t.Context()); ok {
				t.Fatal("two processes hold")
			}
		}
	})
}

func TestNoHoldBeginsWhileThePlaceIsBeingGivenUpForANewOne(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := join(t, store)
		c := p.candidate("m")
		synctest.Wait()
		before := c.Heads()
		p.doomAll(enginetest.Fate{Request: time.Second / 2}, enginetest.OpDelete)
		c.Requeue()
		if _, _, ok := c.Hold(t.Context()); ok {
			t.Error("a place that is being given up was held")
		}
		time.Sleep(time.Second)
		h := p.hold(c)
		if h.token <= before {
			t.Errorf("token %d, want one after %d", h.token, before)
		}
		c.Requeue() // which a holder can't
		p.until(time.Minute)
		h.mustLast()
		mustHave(t, store, "election", p.queue("m"))
	})
}

func TestHoldEndsAtOnceWithAnyUpdateThatShowsItsRecordNoLonger(t *testing.T) {
	t.Parallel()
	for name, update := range map[string]func(own engine.Record) engine.Update{
		"a deletion": func(own engine.Record) engine.Update {
			return engine.Update{Changes: []engine.Change{{Record: own, Deleted: true}}}
		},
		"another in its place": func(own engine.Record) engine.Update {
			own.Created++
			return engine.Update{Changes: []engine.Change{{Record: own}}}
		},
		"a new state": func(engine.Record) engine.Update { return engine.Update{Reset: true} },
		"a new state with another in its place": func(own engine.Record) engine.Update {
			own.Created++
			return engine.Update{Reset: true, Changes: []engine.Change{{Record: own}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *ramengine.Engine) {
				updates := make(chan engine.Update)
				p := joinWith(t, store, lease.Config{Engine: byHand{store, updates}})
				c := p.candidate("m")
				synctest.Wait()
				own := stored(t, store, p.queue("m"))[0]
				updates <- engine.Update{AsOf: p.start, Changes: []engine.Change{{Record: own}}}
				synctest.Wait()
				h := p.hold(c)
				p.until(time.Second)
				updates <- update(own)
				h.mustEnd(time.Second, lease.ErrLost)
			})
		})
	}
}
