package lease_test

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/enginetest"
	"github.com/singleton-go/singleton/engine/ramengine"
	"github.com/singleton-go/singleton/internal/lease"
)

// With the default timing, renewals and progress marks are requested every 2.5 s, and the stop line is 6 s after the older of
// the last two that came back.
const (
	renewal  = 2500 * time.Millisecond
	reach    = 6 * time.Second
	drain    = 2500 * time.Millisecond
	margin   = 500 * time.Millisecond
	instant  = time.Nanosecond
	slow     = 900 * time.Millisecond // an answer in the nick of time
	deadline = time.Second            // of a call
)

func TestHoldEndsOneReachAfterTheLastProofWasRequested(t *testing.T) {
	t.Parallel()
	open, renew, update := enginetest.OpOpen, enginetest.OpRenew, enginetest.OpUpdate
	drop := enginetest.Fate{Dropped: true}
	for name, test := range map[string]struct {
		first fates // from the beginning
		then  fates // after the proofs that were requested at 5 s
		want  time.Duration
	}{
		"when renewals are lost":               {nil, fates{renew: drop}, 2*renewal + reach},
		"when replies to renewals are lost":    {nil, fates{renew: {Lost: true}}, 2*renewal + reach},
		"when renewals are refused":            {nil, fates{renew: {Refuse: errors.New("no")}}, 2*renewal + reach},
		"when the watch is silent":             {nil, fates{update: drop}, 2*renewal + reach},
		"when both are":                        {nil, fates{update: drop, renew: drop}, 2*renewal + reach},
		"when answers to renewals were slow":   {fates{renew: {Reply: slow}}, fates{renew: drop}, 2*renewal + reach},
		"when renewals took long to arrive":    {fates{renew: {Request: slow}}, fates{renew: drop}, 2*renewal + reach},
		"when progress marks were slow":        {fates{update: {Reply: slow}}, fates{update: drop}, 2*renewal + reach},
		"when the answer to the open was slow": {fates{open: {Reply: slow}, renew: drop}, fates{renew: drop}, reach},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *ramengine.Engine) {
				p := join(t, store)
				p.doom(test.first.decide)
				c := p.candidate("m")
				p.until(2 * deadline)
				h := p.hold(c)
				if test.want > reach {
					p.until(2*renewal + slow)
					h.mustLast()
					p.doom(test.then.decide)
				}
				h.mustEnd(test.want, lease.ErrLost)
			})
		})
	}
}

func TestRenewalThatIsAnsweredAfterTheStopLineRevivesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := join(t, store)
		h := p.lead("m")
		other := p.candidate("other")
		p.doom(func(c enginetest.Call) enginetest.Fate {
			switch {
			case c.Op == enginetest.OpRenew && time.Since(p.start) < reach-deadline/2:
				return enginetest.Fate{Dropped: true}
			case c.Op == enginetest.OpRenew:
				return enginetest.Fate{Reply: slow}
			}
			return enginetest.Fate{}
		})
		h.mustEnd(reach, lease.ErrLost)
		p.until(reach + 3*renewal)
		if _, _, ok := h.Hold(t.Context()); ok {
			t.Error("the claim was held again")
		}
		if h.ctx.Err() == nil {
			t.Error("the hold was revived")
		}
		if trust, err := p.Trust(); trust <= 0 || err != nil {
			t.Errorf("trust %v, %v: want the session trusted again", trust, err)
		}
		p.hold(other).mustLast()
		if n := len(p.sent(enginetest.OpOpen)); n != 1 {
			t.Errorf("%d sessions were opened, want the first to live on", n)
		}
	})
}

func TestNoHoldBeginsAtTheStopLineOrAfter(t *testing.T) {
	t.Parallel()
	for name, op := range map[string]enginetest.Op{"of the session": enginetest.OpRenew, "of the watch": enginetest.OpUpdate} {
		for _, late := range []time.Duration{-instant, 0, instant, time.Second} {
			t.Run(name+" "+late.String(), func(t *testing.T) {
				inBubble(t, func(t *testing.T, store *ramengine.Engine) {
					p := join(t, store)
					c := p.candidate("m")
					synctest.Wait()
					p.doomAll(enginetest.Fate{Dropped: true}, op)
					p.until(reach + late)
					ctx, _, ok := c.Hold(t.Context())
					if ok != (late < 0) {
						t.Errorf("%v after the stop line a hold began: %v", late, ok)
					}
					if ok {
						time.Sleep(instant)
						synctest.Wait()
						if ctx.Err() == nil {
							t.Error("the hold has not ended at the stop line")
						}
					}
					if trust, _ := p.Trust(); trust != 0 {
						t.Errorf("trust %v, want 0", trust)
					}
					c.Leave(nil)
				})
			})
		}
	}
}

func TestNoHoldBeginsBeforeTheFirstProgressMark(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := joinWith(t, store, lease.Config{Engine: markless{store}})
		c := p.candidate("m")
		synctest.Wait()
		if c.Heads() == 0 {
			t.Fatal("the record was not seen")
		}
		if _, _, ok := c.Hold(t.Context()); ok {
			t.Error("a hold began")
		}
	})
}

func TestOneFailedRenewalLosesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := join(t, store)
		h := p.lead("m")
		p.doom(func(c enginetest.Call) enginetest.Fate {
			return enginetest.Fate{Dropped: c.Op == enginetest.OpRenew && c.N%3 != 0}
		})
		p.until(time.Hour)
		h.mustLast()
	})
}

func TestRenewalIsTriedAgainWithJitterUntilTheStopLine(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := join(t, store)
		h := p.lead("m")
		p.doomAll(enginetest.Fate{Dropped: true}, enginetest.OpRenew)
		h.mustEnd(reach, lease.ErrLost)
		tries := p.sent(enginetest.OpRenew)
		if len(tries) != 3 {
			t.Fatalf("%d tries before the stop line, want 3: %v", len(tries), tries)
		}
		pauses := map[time.Duration]bool{}
		for i, c := range tries[1:] {
			pauses[c.at-tries[i].at-deadline] = true
		}
		p.doomAll(enginetest.Fate{Refuse: errors.New("no")}, enginetest.OpRenew)
		p.until(2 * reach)
		tries = p.sent(enginetest.OpRenew)[4:]
		for i, c := range tries[1:] {
			pauses[c.at-tries[i].at] = true
		}
		for pause := range pauses {
			if pause < 3*deadline/16 || pause > 5*deadline/16 {
				t.Errorf("a pause of %v, want about %v", pause, deadline/4)
			}
		}
		if len(pauses) < 5 {
			t.Errorf("pauses %v, want no two the same", pauses)
		}
	})
}

// Renewals protect the drain of a runner that is on its way out.
func TestRenewalsGoOnWhileARunnerDrainsPastTheStopLine(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p, other := join(t, store), join(t, store)
		h := p.lead("m")
		next := other.candidate("m")
		p.doomAll(enginetest.Fate{Lost: true}, enginetest.OpRenew) // they arrive
		h.mustEnd(reach, lease.ErrLost)
		p.until(time.Minute)
		if next.Heads() != 0 {
			t.Error("another leads while the runner drains")
		}
		h.Leave(nil)
		synctest.Wait()
		other.hold(next).mustLast()
	})
}

// Two marks are on their way when the machine is suspended. What came before the second one, the first, came after that.
// byHand is an engine whose watches yield what a test says, after the first state.
// markless is an engine whose watches never say how far they are.
type markless struct{ engine.Engine }

func (e markless) Watch(ctx context.Context, o engine.WatchOptions) iter.Seq2[engine.Update, error] {
	return func(yield func(engine.Update, error) bool) {
		for u, err := range e.Engine.Watch(ctx, o) {
			u.AsOf = time.Time{}
			if !yield(u, err) {
				return
			}
		}
	}
}

// A stuckLog is a log whose reader has stopped reading, as a terminal or a pipe can: once it is full, writing waits.
type stuckLog struct{ slog.Handler }

func (stuckLog) Enabled(context.Context, slog.Level) bool { return true }

func (stuckLog) Handle(_ context.Context, r slog.Record) error {
	if r.Level > slog.LevelInfo {
		time.Sleep(time.Hour)
	}
	return nil
}

func TestHoldEndsAtTheStopLineAlsoWhileTheLogIsStuck(t *testing.T) {
	t.Parallel()
	for name, ops := range map[string][]enginetest.Op{
		"by a failed renewal":  {enginetest.OpRenew},
		"by a record":          {enginetest.OpCreate, enginetest.OpRenew},
		"by a watch":           {enginetest.OpUpdate},
		"by everything at all": {enginetest.OpUpdate, enginetest.OpRenew, enginetest.OpCreate, enginetest.OpDelete},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *ramengine.Engine) {
				p := joinWith(t, store, lease.Config{Logger: slog.New(stuckLog{slog.DiscardHandler})})
				h := p.lead("m")
				p.doomAll(enginetest.Fate{Refuse: errors.New("no")}, ops...)
				p.candidate("other")
				h.mustEnd(reach, lease.ErrLost)
			})
		})
	}
}
