package lease_test

import (
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton/engine/enginetest"
	"github.com/singleton-go/singleton/engine/ramengine"
)

// A value that changes is made when it is written.

// value returns what the store has for the one record under /t/.
func value(t *testing.T, store *ramengine.Engine) string {
	t.Helper()
	records := stored(t, store, "/t/")
	if len(records) != 1 {
		t.Fatalf("the store has %v, want one record", records)
	}
	return string(records[0].Value)
}

func TestMadeValueIsWrittenAsItIsLast(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := join(t, store)
		p.doom(func(enginetest.Call) enginetest.Fate { return enginetest.Fate{Request: time.Second / 4} })
		var now, made atomic.Int64
		c := must(t)(p.RecordOf("/t/a", func() string { made.Add(1); return strconv.FormatInt(now.Load(), 10) }))
		for range 100 {
			now.Add(1)
			c.Changed()
			time.Sleep(time.Second / 100)
		}
		time.Sleep(time.Minute)
		if got := value(t, store); got != "100" {
			t.Errorf("the store has %s, want the last value", got)
		}
		if n := int(made.Load()); n > 6 {
			t.Errorf("100 changes within a second, of which 4 could be written, were made %d times", n)
		}
	})
}

func TestMadeValueIsMadeAnewInEverySession(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := join(t, store)
		var now atomic.Int64
		must(t)(p.RecordOf("/t/a", func() string { return strconv.FormatInt(now.Load(), 10) }))
		synctest.Wait()
		now.Store(7)
		p.endSession()
		time.Sleep(time.Minute)
		if got := value(t, store); got != "7" {
			t.Errorf("the store has %s, want what the value is now", got)
		}
	})
}

// A creation whose reply was lost may have written an older value.
func TestMadeValueIsWrittenAgainWhereTheReplyWasLost(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := join(t, store)
		p.doom(func(c enginetest.Call) enginetest.Fate {
			return enginetest.Fate{Lost: c.Op == enginetest.OpCreate && c.N == 1}
		})
		var now atomic.Int64
		must(t)(p.RecordOf("/t/a", func() string { return strconv.FormatInt(now.Add(1), 10) }))
		time.Sleep(time.Minute)
		if got := value(t, store); got == "1" {
			t.Errorf("the store has the value of the creation whose reply was lost")
		}
	})
}

func TestGoneIsClosedAlsoForWhoAsksLater(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := join(t, store)
		c := must(t)(p.Record("/t/a", "1"))
		synctest.Wait()
		early := c.Gone()
		c.Leave(nil)
		<-early
		<-c.Gone()
		never := must(t)(p.Record("/t/a", "1")).Gone()
		synctest.Wait()
		select {
		case <-never:
			t.Error("what is there was told to be gone")
		default:
		}
	})
}
