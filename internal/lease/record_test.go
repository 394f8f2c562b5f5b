package lease_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/enginetest"
	"github.com/singleton-go/singleton/engine/ramengine"
)

func TestRecordOutsideTheElectionsIsCreatedOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := join(t, store)
		must(t)(p.Record("/t/a", "1"))
		time.Sleep(10 * time.Minute)
		if got := p.creations(); len(got) != 1 {
			t.Errorf("in ten quiet minutes the record was created %d times, want once: %v", len(got), got)
		}
	})
}

func TestRecordAfterAnotherIsCreatedAfterItInEverySession(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := join(t, store)
		attempts := 0
		p.doom(func(c enginetest.Call) enginetest.Fate {
			if c.Op == enginetest.OpCreate && c.Key == "/t/first" {
				if attempts++; attempts%3 != 0 { // the third try in each session goes through
					return enginetest.Fate{Dropped: true}
				}
			}
			return enginetest.Fate{}
		})
		first := must(t)(p.Record("/t/first", "1"))
		for _, key := range []string{"/t/x", "/t/y"} {
			must(t)(p.RecordAfter(first, key, "2"))
		}
		time.Sleep(time.Minute)
		p.endSession()
		time.Sleep(time.Minute)
		got := p.creations()
		if len(got) != 10 || strings.Join(append(got[:3:3], got[5:8]...), " ") != strings.Repeat("/t/first ", 5)+"/t/first" {
			t.Errorf("requests came as %v, want three for /t/first before those for /t/x and /t/y, twice", got)
		}
		mustHave(t, store, "/t/", "/t/first", "/t/x", "/t/y")
	})
}

// Whoever wins thousands of elections has thousands of records to change, and both take time.
func TestRecordsAreWrittenBehindElectionsThatAreBeingWon(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := join(t, store)
		done := make(chan struct{})
		first := true
		must(t)(p.Candidate("m", "p", func() {
			if first {
				first = false
				<-done // the owners of many claims are busy
			}
		}))
		synctest.Wait()
		must(t)(p.Record("/t/a", "1"))
		synctest.Wait()
		if got := p.creations(); len(got) != 1 {
			t.Errorf("while elections are won these were created: %v, want the candidate alone", got)
		}
		close(done)
		synctest.Wait()
		mustHave(t, store, "/t/", "/t/a")
	})
}

func TestRecordThatWaitsForAnotherCanBeLeft(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := join(t, store)
		heal := p.conn.Cut()
		first := must(t)(p.Record("/t/first", "1"))
		second := must(t)(p.RecordAfter(first, "/t/second", "2"))
		second.Leave(nil)
		heal()
		<-second.Gone()
		time.Sleep(time.Minute)
		mustHave(t, store, "/t/", "/t/first")
	})
}

func TestRecordWhoseCreationLandedAfterItWasLeftIsRemoved(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := join(t, store)
		p.doom(func(c enginetest.Call) enginetest.Fate {
			return enginetest.Fate{Lost: c.Op == enginetest.OpCreate && c.N == 1}
		})
		c := must(t)(p.Record("/t/a", "1"))
		synctest.Wait()
		mustHave(t, store, "/t/", "/t/a")
		c.Leave(nil)
		<-c.Gone()
		mustHave(t, store, "/t/")
	})
}

// A process that is started anew finds the records of the one before it, until that one's session has expired.
func TestRecordWaitsWhileAnotherSessionHasItsPlace(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		s, err := store.Open(t.Context(), engine.SessionOptions{TTL: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Create(t.Context(), "/t/a", []byte("old")); err != nil {
			t.Fatal(err)
		}
		p := join(t, store)
		must(t)(p.Record("/t/a", "new"))
		b := must(t)(p.Record("/t/a/b", "new"))
		left := must(t)(p.Record("/t/c", "new"))
		left.Leave(nil)
		p.until(15 * time.Second)
		if got := stored(t, store, "/t/"); len(got) != 2 || got[1].Key != "/t/a" || string(got[1].Value) != "new" {
			t.Errorf("the store has %v, want the new record", got)
		}
		b.Leave(nil)
		<-b.Gone()
	})
}

func TestRecordThatAnotherSessionHasCanBeLeft(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		s, err := store.Open(t.Context(), engine.SessionOptions{TTL: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Create(t.Context(), "/t/a", nil); err != nil {
			t.Fatal(err)
		}
		p := join(t, store)
		c := must(t)(p.Record("/t/a", "new"))
		p.until(30 * time.Second)
		c.Leave(nil)
		<-c.Gone()
		if took := time.Since(p.start) - 30*time.Second; took != 0 {
			t.Errorf("to leave what was never there took %v, want no time", took)
		}
		mustHave(t, store, "/t/", "/t/a")
	})
}

func TestRecordIsReplacedWhereAChangedValueMetALostReply(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := join(t, store)
		p.doom(func(c enginetest.Call) enginetest.Fate {
			return enginetest.Fate{Lost: c.N == 1 && (c.Op == enginetest.OpCreate || c.Op == enginetest.OpReplace)}
		})
		c := must(t)(p.Record("/t/a", "1"))
		synctest.Wait()
		c.Set("2")
		p.until(10 * time.Second)
		if got := stored(t, store, "/t/"); len(got) != 1 || string(got[0].Value) != "2" {
			t.Errorf("the store has %v, want the value 2", got)
		}
		if n := len(p.sent(enginetest.OpReplace)); n != 2 {
			t.Errorf("%d requests to replace, want 2: one whose reply was lost, one more", n)
		}
	})
}

func TestRecordCanBeClaimedAgainWhileItIsBeingRemoved(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := join(t, store)
		first := must(t)(p.Record("/t/a", "1"))
		synctest.Wait()
		heal := p.conn.Cut()
		first.Leave(nil)
		second := must(t)(p.Record("/t/a", "2"))
		if _, err := p.Record("/t/a", "3"); err == nil {
			t.Error("a third claim was not refused")
		}
		time.Sleep(time.Second)
		select {
		case <-first.Gone():
			t.Error("the first claim is gone, with its record in the store")
		default:
		}
		heal()
		<-first.Gone()
		if err := second.Settled(t.Context()); err != nil {
			t.Error(err)
		}
		if got := stored(t, store, "/t/"); len(got) != 1 || string(got[0].Value) != "2" {
			t.Errorf("the store has %v, want the value 2", got)
		}
		second.Leave(nil)
		<-second.Gone()
		third := must(t)(p.Record("/t/a", "3"))
		third.Leave(nil)
		fourth := must(t)(p.Record("/t/a", "4"))
		fourth.Leave(nil)
		<-fourth.Gone()
		<-third.Gone()
		mustHave(t, store, "/t/")
		if keys := p.creations(); slices.Contains(keys, "") || len(keys) > 3 {
			t.Errorf("creations %v", keys)
		}
	})
}
