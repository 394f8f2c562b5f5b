package singleton_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/election"
)

func TestUnitStartsWhenItHasWonAndOthersWait(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		p := c.probe("a")
		p.startup = after(time.Second)
		a, b := c.node("a", p.worker()), c.node("b", c.probe("b").worker())
		if s := a.is("worker/w", singleton.Pending); s.Token == 0 {
			c.Error("a unit that starts shows no token")
		}
		c.pass(time.Second)
		if s := a.is("worker/w", singleton.Ready); s.Token != c.token["worker/w"] || s.Since != c.start.Add(time.Second) || s.Err != nil {
			c.Errorf("status %+v, want token %d since 1s", s, c.token["worker/w"])
		}
		c.pass(time.Hour)
		if s := b.is("worker/w", singleton.Pending); s.Token != 0 || s.Since != c.start {
			c.Errorf("status %+v, want no token since 0s", s)
		}
		c.journal("0s a startup", "1s a run")
	})
}

func TestPlannedStopDrainsThenShutsDownThenResigns(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		p := c.probe("a")
		p.run = untilTold(25 * time.Second) // longer than the TTL
		p.shutdown = func(context.Context, error) error { time.Sleep(4 * time.Second); return nil }
		a, _ := c.node("a", p.worker()), c.node("b", c.probe("b").worker())
		c.pass(time.Second)
		a.tell()
		c.pass(time.Second)
		a.is("worker/w", singleton.Stopping)
		c.pass(time.Minute)
		a.is("worker/w", singleton.Stopped)
		c.journal("0s a startup", "0s a run", "1s a told stopped", "26s a returns", "26s a shutdown stopped", "30s b startup", "30s b run")
	})
}

func TestCauseOfAPlannedStopSaysWhy(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		p := c.probe("a")
		p.run = func(ctx context.Context) error {
			<-ctx.Done()
			if cause := context.Cause(ctx); !errors.Is(cause, singleton.ErrStopped) || !errors.Is(cause, errTold) {
				c.Errorf("the cause is %v, want ErrStopped and what ended Run's context", cause)
			}
			return context.Cause(ctx)
		}
		c.node("a", p.worker()).stop()
	})
}

func TestLossEndsTheRunWithinTheDrainAndQueuesAgain(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		p := c.probe("a")
		var left time.Duration
		p.run = untilTold(drain / 5)
		p.shutdown = func(ctx context.Context, _ error) error {
			deadline, _ := ctx.Deadline()
			left = time.Until(deadline)
			return nil
		}
		a, b := c.node("a", p.worker()), c.node("b", c.probe("b").worker())
		heal := a.conn.Cut()
		c.passTo(stopLine)
		a.is("worker/w", singleton.Stopping)
		c.passTo(30 * time.Second)
		a.is("worker/w", singleton.Pending)
		b.is("worker/w", singleton.Ready)
		c.journal("0s a startup", "0s a run", "6s a told lost", "6.5s a returns", "6.5s a shutdown lost", "10s b startup", "10s b run")
		if left != drain-drain/5 {
			c.Errorf("Shutdown had %v, want what Run left of the drain", left)
		}
		heal()
		c.pass(time.Minute)
		b.stop()
		c.pass(0)
		a.is("worker/w", singleton.Ready)
	})
}

func TestLossDuringAPlannedStopShortensTheBudget(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		p := c.probe("a")
		p.shutdown = func(ctx context.Context, _ error) error {
			<-ctx.Done()
			c.note("budget is over: %v", ctx.Err())
			return nil
		}
		a := c.node("a", p.worker())
		c.pass(time.Second)
		defer a.conn.Cut()()
		c.node("b", c.probe("b").worker())
		c.note("tell")
		if err := a.rt.Uninstall(c.Context(), "worker/w"); err != nil {
			c.Error(err)
		}
		c.passTo(30 * time.Second)
		c.journal("0s a startup", "0s a run", "1s tell", "1s a told stopped", "1s a returns", "1s a shutdown stopped",
			"8.5s budget is over: context canceled", "10s b startup", "10s b run")
	})
}

func TestPlannedStopHasTheGraceOfItsUnit(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		wait := func(ctx context.Context, _ error) error { <-ctx.Done(); c.note("budget is over"); return nil }
		own, common := c.probe("own"), c.probe("common")
		own.shutdown, common.shutdown = wait, wait
		a := c.node("a", singleton.Worker("own", own, singleton.WithGrace(time.Minute)), singleton.Worker("common", common))
		c.lines = nil
		a.tell()
		c.passTo(45 * time.Second)
		c.lines = slicesAfter(c.lines, "shutdown")
		c.journal("30s budget is over")
		c.passTo(2 * time.Minute)
		c.journal("1m0s budget is over")
	})
}

// slicesAfter leaves out everything up to the last line that has this word.
func slicesAfter(lines []string, word string) []string {
	for i, line := range slices.Backward(lines) {
		if strings.Contains(line, word) {
			return lines[i+1:]
		}
	}
	return lines
}

func TestFailureResignsRestsAndQueuesAtTheTail(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		p := c.probe("a")
		broken := errors.New("broken")
		p.run = func(context.Context) error { time.Sleep(time.Second); return broken }
		a, b := c.node("a", p.worker()), c.node("b", c.probe("b").worker())
		c.passTo(time.Second)
		if s := a.is("worker/w", singleton.Error); !errors.Is(s.Err, broken) || s.Failed != c.start.Add(time.Second) ||
			s.Failures != 1 || s.Token != 0 || s.Stack != "" {
			c.Errorf("status %+v", s)
		}
		b.is("worker/w", singleton.Ready)
		c.pass(2 * time.Second)
		if s := a.is("worker/w", singleton.Pending); !errors.Is(s.Err, broken) {
			c.Errorf("status %+v: the last error is forgotten", s)
		}
		c.journal("0s a startup", "0s a run", "1s a returns", "1s a shutdown broken", "1s b startup", "1s b run")
	})
}

func TestLoneCandidateTakesItAgainAfterABackoffThatGrowsAndShrinks(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		var works atomic.Int64
		run := singleton.RunnerFunc(func(context.Context) error {
			c.note("begins")
			time.Sleep(time.Duration(works.Load()))
			return errors.New("broken")
		})
		c.node("a", singleton.Worker("w", run))
		c.pass(30 * time.Minute)
		rests := c.gaps()
		for i, seconds := range []int{1, 2, 4, 8, 16, 32, 60, 60, 60} {
			want := time.Duration(seconds) * time.Second
			if rests[i] < want*3/4 || rests[i] > want*5/4 {
				c.Errorf("rest %d took %v, want about %v", i+1, rests[i], want)
			}
		}
		if same := slices.Compact(rests[6:]); len(same) < 2 {
			c.Errorf("all rests took %v: what failed together comes back together", same)
		}
		works.Store(int64(20 * time.Minute))
		c.pass(2 * time.Minute)
		c.gaps()
		c.pass(3 * time.Hour)
		rests = c.gaps()[1:]
		for _, rest := range rests {
			if rest -= 20 * time.Minute; rest > 5*time.Second/4 {
				c.Errorf("after 20 minutes without a failure the rest took %v, want about 1s", rest)
			}
		}
		if len(rests) < 5 {
			c.Errorf("it failed only %d times in 3 hours", len(rests))
		}
	})
}

// gaps returns the times between the lines of the journal, and clears it.
func (c *cluster) gaps() (gaps []time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var last time.Duration
	for i, line := range c.lines {
		at, _, _ := strings.Cut(line, " ")
		now, err := time.ParseDuration(at)
		if err != nil {
			c.Fatal(err)
		}
		if i > 0 {
			gaps = append(gaps, now-last)
		}
		last = now
	}
	c.lines = nil
	return gaps
}

func TestBackoffIsSettable(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		var count atomic.Int32
		run := singleton.RunnerFunc(func(context.Context) error { count.Add(1); return errors.New("broken") })
		c.node("a", singleton.Worker("w", run, singleton.WithBackoff(time.Hour, time.Hour)))
		c.pass(44 * time.Minute)
		if n := count.Load(); n != 1 {
			c.Errorf("ran %d times, want once", n)
		}
		c.pass(32 * time.Minute)
		if n := count.Load(); n != 2 {
			c.Errorf("ran %d times, want twice", n)
		}
	})
}

func TestRunnerThatReturnsNilHasFinishedAndTheNextNodeRunsIt(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		p := c.probe("a")
		p.run = after(time.Second)
		a, b := c.node("a", p.worker()), c.node("b", c.probe("b").worker())
		c.pass(time.Hour)
		a.is("worker/w", singleton.Stopped)
		b.is("worker/w", singleton.Ready)
		c.journal("0s a startup", "0s a run", "1s a returns", "1s a shutdown nil", "1s b startup", "1s b run")
		if err := a.rt.Install(c.probe("c").worker()); err == nil {
			c.Error("a unit that has finished was replaced without being uninstalled")
		}
		if err := a.rt.Uninstall(c.Context(), "worker/w"); err != nil || len(a.rt.Status()) != 0 {
			c.Errorf("uninstalled: %v, %v", err, a.rt.Status())
		}
	})
}

func TestLeaderThatIsAskedMakesWayAndQueuesAtTheTail(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		p := c.probe("a")
		p.run = untilTold(3 * time.Second)
		a, b := c.node("a", p.worker()), c.node("b", c.probe("b").worker())
		if err := b.rt.Discovery().Election("worker/w").Ask(c.Context(), election.Wish{}); err != nil {
			c.Error(err)
		}
		c.pass(0)
		a.is("worker/w", singleton.Pending)
		b.is("worker/w", singleton.Ready)
		c.journal("0s a startup", "0s a run", "0s a told asked", "3s a returns", "3s a shutdown asked", "3s b startup", "3s b run")
		b.stop()
		c.pass(0)
		a.is("worker/w", singleton.Ready)
	})
}

func TestUnitUninstalledDuringItsTakeoverDelayNeverStarts(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		delay := singleton.WithTakeoverDelay(time.Minute)
		a, b := c.node("a", c.probe("a").worker(delay)), c.node("b", c.probe("b").worker(delay))
		c.pass(30 * time.Second)
		if s := a.is("worker/w", singleton.Pending); s.Token != 0 {
			c.Errorf("status %+v: it has begun", s)
		}
		if err := a.rt.Uninstall(c.Context(), "worker/w"); err != nil || c.now() > 30*time.Second {
			c.Errorf("%v: uninstalled with %v, want at once", c.now(), err)
		}
		c.passTo(time.Hour)
		b.is("worker/w", singleton.Ready)
		c.journal("1m30s b startup", "1m30s b run")
	})
}

func TestTakeoverDelayIsWaitedAfterAnUncleanEndAlone(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		delay := singleton.WithTakeoverDelay(20 * time.Second)
		a := c.node("a", c.probe("a").worker(delay))
		b := c.node("b", c.probe("b").worker(delay))
		d := c.node("d", c.probe("d").worker(delay))
		c.passTo(21 * time.Second)
		a.stop()
		c.pass(time.Second)
		defer b.conn.Cut()()
		c.passTo(time.Minute)
		d.is("worker/w", singleton.Ready)
		// Who finds nobody can't know how the last leader ended. The last renewal of b was at 20s.
		c.journal("20s a startup", "20s a run", "21s a told stopped", "21s a returns", "21s a shutdown stopped", "21s b startup",
			"21s b run", "26s b told lost", "26s b returns", "26s b shutdown lost", "50s d startup", "50s d run")
	})
}
