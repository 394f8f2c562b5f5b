package enginetest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/enginetest"
	"github.com/singleton-go/singleton/engine/ramengine"
)

var errBroken = errors.New("broken on purpose")

// faultyCase is a session behind a faulty connection, and a sound one to see what the store has.
type faultyCase struct {
	*testing.T
	faulty  *enginetest.Faulty
	sound   *ramengine.Engine
	session engine.Session
}

func inBubble(t *testing.T, test func(c faultyCase)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sound := ramengine.New()
		f := enginetest.NewFaulty(sound.Connect())
		t.Cleanup(f.Close)
		s, err := f.Open(t.Context(), engine.SessionOptions{TTL: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		test(faultyCase{t, f, sound, s})
	})
}

// create calls Create with a second to wait, and says how long it took.
func (c faultyCase) create(key string) (time.Duration, error) {
	c.Helper()
	ctx, cancel := context.WithTimeout(c.Context(), time.Second)
	defer cancel()
	start := time.Now()
	_, err := c.session.Create(ctx, key, nil)
	return time.Since(start), err
}

// want checks what create returned.
func (c faultyCase) want(took time.Duration, err error, wantTook time.Duration, wantErr error) {
	c.Helper()
	if took != wantTook || !errors.Is(err, wantErr) {
		c.Errorf("took %v with the error %v, want %v with %v", took, err, wantTook, wantErr)
	}
}

// stored checks which keys the store has.
func (c faultyCase) stored(want ...string) {
	c.Helper()
	for u, err := range c.sound.Watch(c.Context(), engine.WatchOptions{}) {
		if err != nil {
			c.Fatal(err)
		}
		if got := keys(u); got != strings.Join(want, " ") {
			c.Errorf("the store has %q, want %q", got, want)
		}
		break
	}
}

func keys(u engine.Update) string {
	var all []string
	for _, ch := range u.Changes {
		all = append(all, ch.Record.Key)
	}
	return strings.Join(all, " ")
}

// follow logs what a watch through the faulty connection yields, and when. The log is to be read after synctest.Wait.
func (c faultyCase) follow(progress time.Duration) *[]string {
	var lines []string
	start := time.Now()
	ctx, cancel := context.WithCancel(c.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for u, err := range c.faulty.Watch(ctx, engine.WatchOptions{Progress: progress}) {
			line := fmt.Sprintf("%v", time.Since(start))
			if u.Reset {
				line += " reset"
			}
			if len(u.Changes) > 0 {
				line += " " + keys(u)
			}
			if !u.AsOf.IsZero() {
				line += fmt.Sprintf(" asof %v", u.AsOf.Sub(start))
			}
			if err != nil {
				line += " error " + fmt.Sprint(errors.Is(err, errBroken))
			}
			lines = append(lines, line)
		}
	}()
	c.Cleanup(func() { cancel(); <-ended })
	synctest.Wait()
	return &lines
}

func (c faultyCase) logged(lines *[]string, want ...string) {
	c.Helper()
	synctest.Wait()
	if got := strings.Join(*lines, "; "); got != strings.Join(want, "; ") {
		c.Errorf("the watch yielded\n%s\nwant\n%s", got, strings.Join(want, "; "))
	}
}

func TestFaultyCutWithdrawsWhatNobodyWaitsFor(t *testing.T) {
	inBubble(t, func(c faultyCase) {
		heal := c.faulty.Cut()
		took, err := c.create("given-up")
		c.want(took, err, time.Second, context.DeadlineExceeded)
		time.AfterFunc(300*time.Millisecond, heal)
		took, err = c.create("waited")
		c.want(took, err, 300*time.Millisecond, nil)
		c.stored("waited")
	})
}

func TestFaultyMuteCarriesOutAndLosesTheAnswer(t *testing.T) {
	inBubble(t, func(c faultyCase) {
		heal := c.faulty.Mute()
		took, err := c.create("a")
		c.want(took, err, time.Second, context.DeadlineExceeded)
		c.stored("a")
		heal()
		heal() // healing twice heals once
		took, err = c.create("a")
		c.want(took, err, 0, engine.ErrExists)
	})
}

func TestFaultyHoldDeliversLate(t *testing.T) {
	inBubble(t, func(c faultyCase) {
		heal := c.faulty.Hold()
		took, err := c.create("late")
		c.want(took, err, time.Second, context.DeadlineExceeded)
		c.stored()
		heal()
		synctest.Wait()
		c.stored("late")
	})
}

func TestFaultyStatesOverlap(t *testing.T) {
	inBubble(t, func(c faultyCase) {
		first, second := c.faulty.Cut(), c.faulty.Cut()
		first()
		took, err := c.create("a")
		c.want(took, err, time.Second, context.DeadlineExceeded)
		second()
		refuse, other := c.faulty.Refuse(errBroken), c.faulty.Refuse(errors.New("other"))
		other()
		took, err = c.create("a")
		c.want(took, err, 0, errBroken)
		refuse()
		took, err = c.create("a")
		c.want(took, err, 0, nil)
	})
}

func TestFaultyFates(t *testing.T) {
	t.Parallel()
	const second = time.Second
	for name, test := range map[string]struct {
		fate   enginetest.Fate
		took   time.Duration
		err    error
		stored string // two seconds after the call
	}{
		"refused": {enginetest.Fate{Refuse: errBroken}, 0, errBroken, ""},
		"dropped": {enginetest.Fate{Dropped: true}, second, context.DeadlineExceeded, ""},
		"slow":    {enginetest.Fate{Request: second / 4, Reply: second / 2}, 3 * second / 4, nil, "a"},
		"late":    {enginetest.Fate{Request: 2 * second}, second, context.DeadlineExceeded, "a"},
		"lost":    {enginetest.Fate{Lost: true}, second, context.DeadlineExceeded, "a"},
		"failed":  {enginetest.Fate{Fail: errBroken}, 0, errBroken, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(c faultyCase) {
				c.faulty.Decide(func(call enginetest.Call) enginetest.Fate {
					if call == (enginetest.Call{Op: enginetest.OpCreate, Key: "a", N: 1}) {
						return test.fate
					}
					return enginetest.Fate{}
				})
				took, err := c.create("a")
				c.want(took, err, test.took, test.err)
				time.Sleep(2 * second)
				c.stored(strings.Fields(test.stored)...)
			})
		})
	}
}

func TestFaultyRequestUnderWayArrivesAfterTheCut(t *testing.T) {
	inBubble(t, func(c faultyCase) {
		c.faulty.Decide(func(enginetest.Call) enginetest.Fate { return enginetest.Fate{Request: time.Second / 2} })
		var heal func()
		time.AfterFunc(time.Second/4, func() { heal = c.faulty.Cut() })
		took, err := c.create("a")
		c.want(took, err, time.Second, context.DeadlineExceeded)
		c.stored()
		synctest.Wait()
		heal()
		synctest.Wait()
		c.stored("a")
	})
}

func TestFaultyHoldsBackUpdates(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(*enginetest.Faulty) func(){
		"cut": (*enginetest.Faulty).Cut, "mute": (*enginetest.Faulty).Mute, "stall": (*enginetest.Faulty).Stall,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(c faultyCase) {
				lines := c.follow(time.Second)
				heal := fault(c.faulty)
				time.Sleep(2500 * time.Millisecond)
				c.logged(lines, "0s reset asof 0s")
				heal()
				synctest.Wait()
				// The mark that was held is older than the next, which is late because its reader was.
				c.logged(lines, "0s reset asof 0s", "2.5s asof 1s", "2.5s asof 2.5s")
			})
		})
	}
}

func TestFaultyStallLetsCallsPass(t *testing.T) {
	inBubble(t, func(c faultyCase) {
		lines := c.follow(0)
		heal := c.faulty.Stall()
		took, err := c.create("a")
		c.want(took, err, 0, nil)
		c.logged(lines, "0s reset")
		heal()
		c.logged(lines, "0s reset", "0s a")
	})
}

func TestFaultyBreaksAndResetsWatches(t *testing.T) {
	inBubble(t, func(c faultyCase) {
		lines := c.follow(0)
		heal := c.faulty.Cut()
		c.faulty.ResetWatches()
		synctest.Wait()
		time.Sleep(time.Second)
		heal()
		c.logged(lines, "0s reset", "1s reset")
		c.faulty.BreakWatches(errBroken)
		c.logged(lines, "0s reset", "1s reset", "1s error true")
	})
}

func TestFaultyDelaysUpdates(t *testing.T) {
	inBubble(t, func(c faultyCase) {
		c.faulty.Decide(func(call enginetest.Call) enginetest.Fate {
			switch {
			case call.Op == enginetest.OpUpdate && call.N == 3:
				return enginetest.Fate{Refuse: errBroken}
			case call.Op == enginetest.OpUpdate:
				return enginetest.Fate{Reply: time.Second}
			}
			return enginetest.Fate{}
		})
		lines := c.follow(0)
		for _, key := range []string{"a", "b"} {
			time.Sleep(5 * time.Second)
			took, err := c.create(key)
			c.want(took, err, 0, nil)
		}
		c.logged(lines, "1s reset", "6s a", "10s error true")
	})
}
