package lease_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/enginetest"
	"github.com/singleton-go/singleton/engine/ramengine"
	"github.com/singleton-go/singleton/internal/lease"
)

func (p *process) queue(election string) string {
	return "election//t/singleton/" + election + "/" + p.Session()
}

func TestCandidateThatLeavesInAnyMomentLeavesNoRecord(t *testing.T) {
	t.Parallel()
	const second = time.Second
	for name, fate := range map[string]enginetest.Fate{
		"the creation is slow":              {Request: second / 2, Reply: second / 4},
		"the creation arrives late":         {Request: 3 * second},
		"the creation's reply is lost":      {Lost: true},
		"the creation's reply is an error":  {Fail: errors.New("broken")},
		"the creation is refused":           {Refuse: errors.New("broken")},
		"the creation never arrives":        {Dropped: true},
		"the creation arrives after leases": {Request: second * 8},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *ramengine.Engine) {
				p := join(t, store)
				must(t)(p.Record("/t/a", "1")) // keeps the session
				p.doom(func(c enginetest.Call) enginetest.Fate {
					if c.Op == enginetest.OpCreate && c.Key != "/t/a" && c.N%2 == 0 {
						return fate
					}
					return enginetest.Fate{}
				})
				for after := time.Duration(0); after < 2*second; after += 50 * time.Millisecond {
					c := p.candidate("m")
					time.Sleep(after)
					c.Leave(nil)
					<-c.Gone()
					time.Sleep(10 * second)
					mustHave(t, store, "election")
				}
			})
		})
	}
}

// What fails is tried again after pauses that grow. None of them keeps a claim that has nothing to wait for any more.
func TestCandidateThatLeftIsGoneAsSoonAsThatIsKnown(t *testing.T) {
	t.Parallel()
	refused := enginetest.Fate{Refuse: errors.New("no")}
	for name, test := range map[string]struct {
		op      enginetest.Op
		fate    enginetest.Fate
		happens func(p *process, c *lease.Claim)
	}{
		"without a record": {enginetest.OpCreate, refused, func(_ *process, c *lease.Claim) {
			c.Leave(nil)
		}},
		"with a record that nobody confirmed": {enginetest.OpCreate, enginetest.Fate{Fail: errors.New("no")}, func(_ *process, c *lease.Claim) {
			c.Leave(nil)
		}},
		"with a record that another removes": {enginetest.OpDelete, refused, func(p *process, _ *lease.Claim) {
			removeByForce(p.t, p.store, p.queue("m"))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *ramengine.Engine) {
				p := join(t, store)
				p.doomAll(test.fate, test.op)
				c := p.candidate("m")
				synctest.Wait()
				if test.op == enginetest.OpDelete {
					c.Leave(nil)
				}
				p.until(time.Minute)
				test.happens(p, c)
				<-c.Gone()
				if took := time.Since(p.start) - time.Minute; took != 0 {
					t.Errorf("it was gone after %v, want at once", took)
				}
				mustHave(t, store, "election")
			})
		})
	}
}

// The watch comes on another way than the replies, and may be ahead.
func TestCandidateIsToldWhenItsRecordIsKnownToBeItsOwn(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := join(t, store)
		p.doomAll(enginetest.Fate{Reply: 100 * time.Millisecond}, enginetest.OpCreate)
		heads := make(chan time.Duration, 1)
		entered := make(chan *lease.Claim, 1)
		c := must(t)(p.Candidate("m", "id", func() {
			c := <-entered
			entered <- c
			if c.Heads() != 0 && len(heads) == 0 {
				heads <- time.Since(p.start)
			}
		}))
		entered <- c
		if at := <-heads; at != 100*time.Millisecond {
			t.Errorf("the candidate was told after %v", at)
		}
	})
}

// With many candidates for many elections, what each of them is called for is what a takeover costs all others.
func TestCandidateIsToldOfWhatConcernsIt(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p1, p2, p3, p4 := join(t, store), join(t, store), join(t, store), join(t, store)
		first := p1.candidate("m")
		synctest.Wait()
		var asked *lease.Claim
		told := 0
		c := must(t)(p2.Candidate("m", "id", func() { told++ }))
		synctest.Wait()
		third := p3.candidate("m")
		synctest.Wait()
		for _, step := range []struct {
			what string
			do   func()
			want bool
		}{
			{"another queued behind it", func() { p4.candidate("m") }, false},
			{"the third left", func() { third.Leave(nil) }, false},
			{"there was a wish", func() { asked = must(t)(p3.Wish("m", "w", "w", nil)) }, true},
			{"the wish was withdrawn", func() { asked.Leave(nil) }, true},
			{"the first left", func() { first.Leave(nil) }, true},
			{"another queued behind it at the head", func() { p3.candidate("m") }, true},
		} {
			told = 0
			step.do()
			synctest.Wait()
			if (told > 0) != step.want {
				t.Errorf("%s: it was told %d times, and should have been told: %v", step.what, told, step.want)
			}
		}
		c.Leave(nil)
	})
}

// The watch comes on another way than the replies, and may be behind.
func TestNewCandidacyIsNotHarmedByALateSightOfTheOldOne(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := join(t, store)
		must(t)(p.Record("/t/a", "1"))
		synctest.Wait()
		const late = 100 * time.Millisecond
		for after := time.Duration(0); after < 4*late; after += late / 4 {
			p.doom(func(c enginetest.Call) enginetest.Fate {
				switch c.Op {
				case enginetest.OpUpdate:
					return enginetest.Fate{Reply: late}
				case enginetest.OpDelete:
					return enginetest.Fate{Request: late / 2}
				}
				return enginetest.Fate{}
			})
			first := p.candidate("m")
			time.Sleep(time.Millisecond)
			first.Leave(nil)
			<-first.Gone()
			time.Sleep(after)
			c := p.candidate("m")
			time.Sleep(time.Second)
			h := p.hold(c)
			p.doom(nil)
			time.Sleep(10 * time.Second)
			h.mustLast()
			mustHave(t, store, "election", p.queue("m"))
			h.Leave(nil)
			<-h.Gone()
		}
	})
}

func TestSettledReturnsWhenThereIsNothingMoreToWaitFor(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		end  func(p *process, c *lease.Claim)
		want error
	}{
		"as the record is written": {func(p *process, _ *lease.Claim) { p.doom(nil) }, nil},
		"as the claim was left":    {func(_ *process, c *lease.Claim) { c.Leave(nil) }, nil},
		"as the lease was closed":  {func(p *process, _ *lease.Claim) { p.doom(nil); p.close(context.Background()) }, lease.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *ramengine.Engine) {
				p := join(t, store)
				p.doomAll(enginetest.Fate{Refuse: errors.New("no")}, enginetest.OpOpen)
				c := must(t)(p.Record("/t/a", "1"))
				ctx, cancel := context.WithTimeout(t.Context(), forever)
				defer cancel()
				time.AfterFunc(time.Second, func() { test.end(p, c) })
				for range 2 { // while it waits, and when that is over
					if err := c.Settled(ctx); !errors.Is(err, test.want) {
						t.Errorf("error %v, want %v", err, test.want)
					}
				}
				if took := time.Since(p.start); took > 5*time.Second {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

func TestRecordThatAnOlderMarkCannotShowIsNotTakenForGone(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := join(t, store)
		must(t)(p.Record("/t/a", "1"))
		p.doomAll(enginetest.Fate{Reply: slow}, enginetest.OpUpdate)
		p.until(renewal + slow/2) // the mark of 2.5 s is on its way
		c := p.candidate("m")
		p.until(time.Minute)
		if keys := p.creations(); len(keys) != 2 {
			t.Errorf("creations %v, want each once", keys)
		}
		p.hold(c).mustLast()
	})
}

func TestSecondCandidacyOfOneSessionIsRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := join(t, store)
		c := p.candidate("m")
		if _, err := p.Candidate("m", "id", func() {}); !errors.Is(err, lease.ErrDuplicate) {
			t.Errorf("error %v, want %v", err, lease.ErrDuplicate)
		}
		synctest.Wait()
		h := p.hold(c)
		if _, err := p.Candidate("m", "id", func() {}); !errors.Is(err, lease.ErrDuplicate) {
			t.Errorf("error %v, want %v", err, lease.ErrDuplicate)
		}
		if _, _, ok := c.Hold(t.Context()); ok {
			t.Error("a claim was held a second time")
		}
		h.mustLast()
	})
}

// What was queued for a call while renewals failed must not be forgotten when the session turns out to be lost.
func TestCandidacyThatBeganInAnOutageIsServedInTheNextSession(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := join(t, store)
		first := must(t)(p.Record("/t/a", "1"))
		synctest.Wait()
		first.Leave(nil)
		synctest.Wait()
		heal := p.conn.Cut()
		p.until(5 * time.Second)
		c := p.candidate("m")
		p.until(20 * time.Second)
		heal()
		p.until(25 * time.Second)
		p.hold(c).mustLast()
	})
}

func TestLateCreationIsRemovedWhileTheRunnerOfALostTermDrains(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := join(t, store)
		p.doom(func(c enginetest.Call) enginetest.Fate {
			if c.Op == enginetest.OpCreate && c.N == 1 {
				return enginetest.Fate{Request: 5 * time.Second}
			}
			return enginetest.Fate{}
		})
		c := p.candidate("m")
		p.until(3 * time.Second)
		h := p.hold(c)
		removeByForce(t, store, p.queue("m"))
		h.mustEnd(3*time.Second, lease.ErrLost)
		p.until(6 * time.Second) // the late creation has arrived
		if n := len(p.sent(enginetest.OpDelete)); n != 1 {
			t.Errorf("%d deletions, want one of the late record", n)
		}
		mustHave(t, store, "election")
	})
}

// removeByForce deletes a record of another process, as a person can.
func removeByForce(t *testing.T, store *ramengine.Engine, key string) {
	t.Helper()
	ctx := context.Background()
	s, err := store.Open(ctx, engine.SessionOptions{TTL: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Create(ctx, key, nil)
	if !errors.Is(err, engine.ErrExists) {
		t.Fatalf("%s was to be removed: error %v, want %v", key, err, engine.ErrExists)
	}
	if err := errors.Join(s.Delete(ctx, r), s.Close(ctx)); err != nil {
		t.Fatal(err)
	}
}
