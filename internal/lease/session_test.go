package lease_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/enginetest"
	"github.com/singleton-go/singleton/engine/ramengine"
	"github.com/singleton-go/singleton/internal/lease"
)

func TestLossOfTheSessionEndsAllHoldsAtOnceAndTheNextIsOpenedAtOnce(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		notice func(p *process)
		at     time.Duration
	}{
		"noticed by a renewal":  {func(*process) {}, renewal},
		"noticed by a creation": {func(p *process) { must(p.t)(p.Record("/t/a", "1")) }, time.Second},
		"noticed by a change":   {func(p *process) { p.AnswerWish("m", lease.Entry{Name: "ask"}, "", func(error) {}) }, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *ramengine.Engine) {
				p := join(t, store)
				a, b, waits := p.lead("a"), p.lead("b"), p.candidate("c")
				p.until(time.Second)
				p.doomAll(enginetest.Fate{Dropped: true}, enginetest.OpUpdate) // the watch would tell as well
				p.endSession()
				test.notice(p)
				a.mustEnd(test.at, lease.ErrLost)
				b.mustEnd(test.at, engine.ErrLost)
				p.doom(nil)
				p.conn.ResetWatches()
				synctest.Wait()
				if got := time.Since(p.start); got != test.at {
					t.Errorf("it is %v", got)
				}
				p.hold(waits).mustLast()
			})
		})
	}
}

// Each runner returns in its own time. One that is stuck holds back nobody else.
func TestAfterALossEachCandidacyQueuesOnlyAfterItsOwnLeave(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := join(t, store)
		quick, stuck, waits := p.lead("quick"), p.lead("stuck"), p.candidate("waits")
		p.endSession()
		quick.mustEnd(0, lease.ErrLost)
		stuck.mustEnd(0, lease.ErrLost)
		p.until(time.Second)
		mustHave(t, store, "election", p.queue("waits"))
		p.hold(waits).mustLast()
		if _, err := p.Candidate("quick", "id", func() {}); !errors.Is(err, lease.ErrDuplicate) {
			t.Errorf("a candidacy beside one that was lost and not left: error %v, want %v", err, lease.ErrDuplicate)
		}
		quick.Leave(nil)
		p.lead("quick").mustLast()
		p.until(time.Minute)
		mustHave(t, store, "election", p.queue("waits"), p.queue("quick"))
	})
}

func TestSightOfTheOwnRecordRemovedEndsThatHoldAndNoOther(t *testing.T) {
	t.Parallel()
	for name, see := range map[string]func(p *process, heal func()){
		"by the change":  func(_ *process, heal func()) { heal() },
		"by a new watch": func(p *process, heal func()) { p.conn.ResetWatches(); heal() },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *ramengine.Engine) {
				p := join(t, store)
				a, b, waits := p.lead("a"), p.lead("b"), p.candidate("c")
				p.until(time.Second)
				heal := p.conn.Stall()
				removeByForce(t, store, p.queue("a"))
				removeByForce(t, store, p.queue("c"))
				p.until(2 * time.Second)
				a.mustLast()
				see(p, heal)
				a.mustEnd(2*time.Second, lease.ErrLost)
				p.until(time.Minute)
				b.mustLast()
				p.hold(waits).mustLast() // it queued again
				mustHave(t, store, "election", p.queue("b"), p.queue("c"))
			})
		})
	}
}

// The record is made and removed while no watch is open, so that no watch ever shows it.
func TestRecordThatNoWatchEverShowedIsKnownToBeGoneByTheNextMark(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := join(t, store)
		must(t)(p.Record("/t/a", "1"))
		p.until(time.Second)
		heal := p.conn.Stall()
		c := p.candidate("m")
		synctest.Wait()
		removeByForce(t, store, p.queue("m"))
		p.conn.ResetWatches()
		heal()
		p.until(2 * renewal)
		p.hold(c).mustLast()
		mustHave(t, store, "election", p.queue("m"))
	})
}

func TestOutageOfThreeTTLsEndsAllHoldsInTimeAndEverybodyRecovers(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(*enginetest.Faulty) func(){
		"cut": (*enginetest.Faulty).Cut, "mute": (*enginetest.Faulty).Mute, "held": (*enginetest.Faulty).Hold,
		"refused": func(f *enginetest.Faulty) func() { return f.Refuse(errors.New("down")) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *ramengine.Engine) {
				all := []*process{join(t, store), join(t, store), join(t, store)}
				heals, again := make([]func(), len(all)), make([]*lease.Claim, len(all))
				for i, p := range all {
					name := strconv.Itoa(i)
					h := p.lead(name)
					p.candidate("waits")
					time.AfterFunc(renewal+slow, func() { heals[i] = fault(p.conn) })
					time.AfterFunc(renewal+reach+instant, func() {
						h.mustHaveEnded(lease.ErrLost)
						h.Leave(nil)
						again[i] = p.candidate(name)
					})
				}
				all[0].until(renewal + reach - instant)
				if trust, _ := all[0].Trust(); trust != instant {
					t.Errorf("trust %v, want the last %v of it", trust, instant)
				}
				all[0].until(renewal + slow + 30*time.Second)
				for _, heal := range heals {
					heal()
				}
				all[0].until(renewal + slow + 30*time.Second + renewal + deadline)
				for i, p := range all {
					p.hold(again[i]).mustLast()
				}
				if got := stored(t, store, "election//t/singleton/waits/"); len(got) != len(all) {
					t.Errorf("the queue of those who wait is %v", got)
				}
			})
		})
	}
}

// What comes back from the session before is no news of the present one.
func TestReplyOfALostSessionMeansNothingInTheNext(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := joinWith(t, store, lease.Config{Engine: deaf{store}})
		c := p.candidate("m")
		p.until(slow / 2)
		p.endSession()
		p.AnswerWish("m", lease.Entry{}, "", func(error) {}) // notices it
		p.until(slow + instant)
		if got := c.Heads(); got != 0 {
			t.Errorf("the record %d of the lost session, or one without a reply, is at the head", got)
		}
		p.until(slow/2 + slow + instant)
		p.hold(c).mustLast()
		if n := len(p.sent(enginetest.OpCreate)); n != 2 {
			t.Errorf("%d creations, want one in each session", n)
		}
	})
}

func TestLossThatIsToldLateEndsNoLaterSession(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := joinWith(t, store, lease.Config{Engine: deaf{store}})
		must(t)(p.Record("/t/a", "1"))
		p.until(time.Second)
		p.endSession()
		c := p.candidate("m") // whose creation is told of the loss after a while
		p.until(time.Second + slow/2)
		p.AnswerWish("m", lease.Entry{}, "", func(error) {}) // at once
		p.until(time.Second + slow/2 + slow + instant)
		p.hold(c).mustLast()
		p.until(10 * time.Second)
		if n := len(p.sent(enginetest.OpOpen)); n != 2 {
			t.Errorf("%d sessions were opened, want 2", n)
		}
	})
}

// deaf is an engine whose creations take a while, whether or not their context ends.
type deaf struct{ engine.Engine }

func (e deaf) Open(ctx context.Context, o engine.SessionOptions) (engine.Session, error) {
	s, err := e.Engine.Open(ctx, o)
	return deafSession{s}, err
}

type deafSession struct{ engine.Session }

func (s deafSession) Create(ctx context.Context, key string, value []byte) (engine.Record, error) {
	r, err := s.Session.Create(context.WithoutCancel(ctx), key, value)
	time.Sleep(slow)
	return r, err
}

func TestSessionWithAShorterTTLThanWantedIsNotUsed(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := joinWith(t, store, lease.Config{Engine: granting{store, func(ttl time.Duration) time.Duration { return ttl - 1 }}})
		c := p.candidate("m")
		p.until(10 * time.Second)
		if _, _, ok := c.Hold(t.Context()); ok || p.Session() != "" {
			t.Error("the session was used")
		}
		if n, open := len(p.sent(enginetest.OpOpen)), len(p.sent(enginetest.OpClose)); n < 4 || n != open {
			t.Errorf("%d sessions were opened and %d closed, want several and the same", n, open)
		}
	})
}

func TestSessionWithALongerTTLIsTrustedForLonger(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := joinWith(t, store, lease.Config{Engine: granting{store, func(ttl time.Duration) time.Duration { return 2 * ttl }}})
		h := p.lead("m")
		p.doomAll(enginetest.Fate{Dropped: true}, enginetest.OpRenew)
		h.mustEnd(15*time.Second, lease.ErrLost) // 20 s x 0.9 - 0.5 s - 2.5 s
	})
}

// granting is an engine that grants another TTL than was asked for.
type granting struct {
	engine.Engine
	grant func(time.Duration) time.Duration
}

func (e granting) Open(ctx context.Context, o engine.SessionOptions) (engine.Session, error) {
	o.TTL = e.grant(o.TTL)
	return e.Engine.Open(ctx, o)
}
