package lease_test

import (
	"context"
	"fmt"
	"iter"
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/enginetest"
	"github.com/singleton-go/singleton/engine/ramengine"
	"github.com/singleton-go/singleton/internal/lease"
)

func TestSuspensionCountsAsTimeThatPassed(t *testing.T) {
	t.Parallel()
	const brief, long = time.Second, time.Minute
	suspend := func(p *process, d time.Duration) { p.asleep.Add(int64(d)) }
	for name, test := range map[string]func(t *testing.T, p *process, h *hold){
		"by a check": func(t *testing.T, p *process, h *hold) {
			p.until(time.Second)
			suspend(p, long)
			h.Check()
			h.mustEnd(time.Second, lease.ErrLost)
		},
		"by the next renewal, before it is sent": func(t *testing.T, p *process, h *hold) {
			p.doomAll(enginetest.Fate{Dropped: true}, enginetest.OpUpdate, enginetest.OpRenew)
			p.until(time.Second)
			suspend(p, long)
			h.mustEnd(renewal, lease.ErrLost)
		},
		"by a proof that was requested before it": func(t *testing.T, p *process, h *hold) {
			p.doomAll(enginetest.Fate{Reply: slow}, enginetest.OpRenew)
			p.until(renewal + slow/2)
			suspend(p, reach-renewal)
			h.mustEnd(renewal+slow, lease.ErrLost) // though the session is trusted again, from the request on
		},
		"by the next progress mark": func(t *testing.T, p *process, h *hold) {
			p.until(time.Second)
			suspend(p, long)
			p.conn.ResetWatches() // the next mark comes now
			h.mustEnd(time.Second, lease.ErrLost)
		},
		"by the beginning of another hold": func(t *testing.T, p *process, h *hold) {
			c := p.candidate("other")
			p.until(time.Second)
			suspend(p, long)
			if _, _, ok := c.Hold(t.Context()); ok {
				t.Error("a hold began")
			}
			h.mustEnd(time.Second, lease.ErrLost)
		},
		"by the stop line, which comes nearer": func(t *testing.T, p *process, h *hold) {
			p.doomAll(enginetest.Fate{Dropped: true}, enginetest.OpRenew, enginetest.OpUpdate)
			p.until(time.Second)
			suspend(p, brief)
			h.mustEnd(reach-brief, lease.ErrLost)
		},
		"when it ended nothing, until a proof that was requested after it": func(t *testing.T, p *process, h *hold) {
			p.until(time.Second)
			suspend(p, brief)
			p.until(2*renewal + slow)
			p.doomAll(enginetest.Fate{Dropped: true}, enginetest.OpRenew, enginetest.OpUpdate)
			h.mustEnd(2*renewal+reach, lease.ErrLost)
		},
		"but not where the two clocks were read apart": func(t *testing.T, p *process, h *hold) {
			for range 1000 {
				suspend(p, 15*time.Millisecond)
				h.Check()
				suspend(p, -15*time.Millisecond)
				h.Check()
			}
			p.until(renewal)
			suspend(p, 15*time.Millisecond)
			p.doomAll(enginetest.Fate{Dropped: true}, enginetest.OpRenew)
			h.mustEnd(renewal+reach, lease.ErrLost)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *ramengine.Engine) {
				p := join(t, store)
				test(t, p, p.lead("m"))
			})
		})
	}
}

// The stop line may pass before the clocks are read, and right after.
func TestHoldThatBeginsInTheInstantOfTheStopLineEndsAtOnce(t *testing.T) {
	t.Parallel()
	for reading := range int64(2) {
		t.Run(fmt.Sprintf("at reading %d", reading), func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *ramengine.Engine) {
				var left atomic.Int64 // readings until the machine has slept
				left.Store(math.MaxInt64)
				p := joinWith(t, store, lease.Config{Suspended: func() time.Duration {
					if left.Add(-1) < 0 {
						return time.Minute
					}
					return 0
				}})
				c := p.candidate("m")
				synctest.Wait()
				left.Store(reading)
				ctx, _, ok := c.Hold(t.Context())
				c.Check()
				if ok && ctx.Err() == nil {
					t.Error("the hold goes on")
				}
				c.Leave(nil)
			})
		})
	}
}

func TestProgressMarkThatWasRequestedBeforeASuspensionIsOld(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		marks := make(chan engine.Update)
		p := joinWith(t, store, lease.Config{Engine: byHand{store, marks}})
		must(t)(p.Record("/t/a", "1"))
		tell := func(asOf time.Time, trusted bool) {
			t.Helper()
			marks <- engine.Update{AsOf: asOf}
			synctest.Wait()
			if trust, _ := p.Trust(); (trust > 0) != trusted {
				t.Errorf("trust %v after the mark of %v, want any: %v", trust, asOf.Sub(p.start), trusted)
			}
		}
		p.until(renewal - 20*time.Millisecond)
		tell(time.Now(), true)
		p.until(renewal - 10*time.Millisecond)
		first := time.Now()
		second := first.Add(time.Millisecond)
		p.asleep.Add(int64(time.Minute))
		p.until(renewal + time.Second) // the session was renewed after the suspension
		tell(first, false)
		tell(second, false)
		third := time.Now()
		time.Sleep(time.Second)
		tell(third, true)
	})
}

type byHand struct {
	engine.Engine
	updates <-chan engine.Update
}

func (e byHand) Watch(ctx context.Context, o engine.WatchOptions) iter.Seq2[engine.Update, error] {
	return func(yield func(engine.Update, error) bool) {
		for u, err := range e.Engine.Watch(ctx, o) {
			if !yield(u, err) || err != nil {
				return
			}
			break
		}
		for {
			select {
			case u := <-e.updates:
				if !yield(u, nil) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}
