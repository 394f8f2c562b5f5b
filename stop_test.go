package singleton_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton"
)

func TestShutdownStopsSingletonsTogetherThenReplicas(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		p, q, r := c.probe("p"), c.probe("q"), c.probe("r")
		p.run, q.run, r.run = untilTold(2*time.Second), untilTold(3*time.Second), untilTold(time.Second)
		a := c.node("a", singleton.Replica("r", r), singleton.Worker("p", p), singleton.Service("q", q))
		b := c.node("b", c.probe("other").worker())
		c.lines = nil
		a.stop()
		c.lines = sorted(c.lines)
		c.journal("0s p told stopped", "0s q told stopped", "2s p returns", "2s p shutdown stopped", "3s q returns",
			"3s q shutdown stopped", "3s r told stopped", "4s r returns", "4s r shutdown stopped")
		b.is("worker/w", singleton.Ready)
	})
}

func TestStuckRunnerIsNamedAndHoldsBackNobodyElse(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		release, named := make(chan struct{}), make(chan singleton.Status, 10)
		stuck, good, r := c.probe("stuck"), c.probe("good"), c.probe("r")
		stuck.run = func(context.Context) error { <-release; return nil }
		good.run, r.run = untilTold(time.Second), untilTold(time.Second)
		a := c.prepare("a", func(config *singleton.Config) { config.OnStuck = func(s singleton.Status) { named <- s } })
		a.run(singleton.Worker("stuck", stuck), singleton.Worker("good", good), singleton.Replica("r", r))
		b := c.node("b", singleton.Worker("good", c.probe("b")), singleton.Worker("stuck", c.probe("b")))
		c.lines = nil
		a.tell()
		c.passTo(29 * time.Second)
		b.is("worker/good", singleton.Ready)
		if s := a.is("worker/stuck", singleton.Stopping); s.Stuck {
			c.Error("stuck before its budget was over")
		}
		c.passTo(time.Hour)
		if s := a.is("worker/stuck", singleton.Stopping); !s.Stuck || s.Token == 0 {
			c.Errorf("status %+v, want stuck", s)
		}
		if s := <-named; s.String() != "worker/stuck" || !s.Stuck || len(named) > 0 {
			c.Errorf("OnStuck was told %+v, and %d more", s, len(named))
		}
		a.is("replica/r", singleton.Stopped)
		b.is("worker/stuck", singleton.Pending) // leadership is held until the runner has returned
		c.lines = slicesAfter(c.lines, "b run")
		c.journal("30s r told stopped", "31s r returns", "31s r shutdown stopped")
		close(release)
		synctest.Wait()
		if s := a.is("worker/stuck", singleton.Stopped); s.Stuck {
			c.Error("stuck still")
		}
		b.is("worker/stuck", singleton.Ready)
	})
}

func TestRunnerThatIsStuckAfterALossHoldsBackNobodyElse(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		release := make(chan struct{})
		stuck := singleton.RunnerFunc(func(context.Context) error { <-release; return nil })
		a := c.node("a", singleton.Worker("stuck", stuck), singleton.Worker("good", c.probe("a")))
		heal := a.conn.Cut()
		c.passTo(time.Minute)
		heal()
		c.passTo(2 * time.Minute)
		a.is("worker/good", singleton.Ready)
		if s := a.is("worker/stuck", singleton.Stopping); !s.Stuck {
			c.Errorf("status %+v, want stuck", s)
		}
		close(release)
		c.pass(0)
		if s := a.status("worker/stuck"); s.Stuck {
			c.Errorf("status %+v: stuck still", s)
		}
	})
}

func TestBlockingStartupEndsWithTheTermAndHoldsBackNobodyElse(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		p := c.probe("a")
		p.startup = func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }
		a := c.node("a", p.worker(), singleton.Worker("good", singleton.RunnerFunc(p.run)))
		b := c.node("b", c.probe("b").worker())
		c.pass(time.Hour)
		if s := a.is("worker/w", singleton.Pending); s.Token == 0 {
			c.Error("the unit that starts can't be told from one that waits")
		}
		a.is("worker/good", singleton.Ready)
		heal := a.conn.Cut()
		c.pass(30 * time.Second)
		if s := a.is("worker/w", singleton.Pending); s.Token != 0 || s.Failures != 0 {
			c.Errorf("status %+v: want it to wait, without a failure", s)
		}
		b.is("worker/w", singleton.Ready)
		heal()
		c.pass(30 * time.Second)
		b.stop()
		c.pass(time.Second)
		c.lines = nil
		a.stop()
		c.journal()
	})
}

func TestUnitUninstalledDuringStartupStopsAfterIt(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		p := c.probe("a")
		p.startup = after(3 * time.Second)
		a := c.node("a", p.worker())
		c.pass(time.Second)
		if err := a.rt.Uninstall(c.Context(), "worker/w"); err != nil {
			c.Error(err)
		}
		c.note("uninstalled")
		c.journal("0s a startup", "3s a shutdown stopped", "3s uninstalled")
	})
}

func TestPendingCandidateThatWasStoppedIsNeverElectedLater(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		a, b := c.node("a", c.probe("a").worker()), c.node("b", c.probe("b").worker())
		d := c.node("d", c.probe("d").worker())
		c.pass(time.Second)
		if err := b.rt.Uninstall(c.Context(), "worker/w"); err != nil {
			c.Error(err)
		}
		a.stop()
		c.pass(time.Hour)
		d.is("worker/w", singleton.Ready)
		c.journal("0s a startup", "0s a run", "1s a told stopped", "1s a returns", "1s a shutdown stopped", "1s d startup", "1s d run")
	})
}

func TestStoppingIsIdempotent(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		p := c.probe("a")
		p.run = untilTold(time.Second)
		a := c.node("a", p.worker())
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				if err := a.rt.Uninstall(c.Context(), "worker/w"); err != nil {
					c.Error(err)
				}
			})
		}
		synctest.Wait()
		a.stop()
		all.Wait()
		c.journal("0s a startup", "0s a run", "0s a told stopped", "1s a returns", "1s a shutdown stopped")
	})
}

func TestUninstallThatIsGivenUpGoesOn(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		p := c.probe("a")
		var a *node
		p.run = func(ctx context.Context) error {
			if err := a.rt.Uninstall(ctx, "worker/w"); err == nil {
				c.Error("a runner that uninstalled itself was told that it had returned")
			}
			<-ctx.Done()
			return nil
		}
		a = c.prepare("a")
		a.run(p.worker())
		c.pass(0)
		if len(a.rt.Status()) != 0 {
			c.Errorf("status %+v, want no unit", a.rt.Status())
		}
		c.journal("0s a startup", "0s a run", "0s a told stopped", "0s a returns", "0s a shutdown stopped")
	})
}

func TestShutdownWhileCutOffIsBounded(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		a := c.node("a", c.probe("a").worker())
		defer a.conn.Cut()()
		a.tell()
		<-a.over
		if took := c.now(); a.err == nil || took > 5*time.Second {
			c.Errorf("Run returned %v after %v, want an error soon: it could not tell the store", a.err, took)
		}
		a.err = nil
		c.journal("0s a startup", "0s a run", "0s a told stopped", "0s a returns", "0s a shutdown stopped")
	})
}
