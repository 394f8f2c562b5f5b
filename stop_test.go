package singleton_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/election"
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

func TestUnitStoppedAtTheInstantOfItsElectionStaysStopped(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		a, b := c.node("a"), c.node("b")
		install := func(n *node) {
			if err := n.rt.Install(c.probe(n.name).worker()); err != nil {
				c.Fatal(err)
			}
			synctest.Wait()
		}
		uninstall := func(n *node) {
			if err := n.rt.Uninstall(c.Context(), "worker/w"); err != nil {
				c.Error(err)
			}
		}
		for range 300 {
			install(a)
			first, stopped := c.token["worker/w"], make(chan struct{})
			go func() { // it learns of the election of b together with b
				defer close(stopped)
				for leader, err := range b.rt.Discovery().Election("worker/w").Observe(c.Context()) {
					if err != nil || leader.Token != 0 && leader.Token != first {
						break
					}
				}
				uninstall(b)
			}()
			install(b)
			uninstall(a)
			<-stopped
			startups, shutdowns := 0, 0
			for _, line := range c.lines {
				startups += strings.Count(line, "startup")
				shutdowns += strings.Count(line, "shutdown")
			}
			if startups == 0 || startups != shutdowns {
				c.Fatalf("started %d times and shut down %d times:\n%s", startups, shutdowns, strings.Join(c.lines, "\n"))
			}
			c.lines = nil
		}
		c.pass(time.Minute)
		c.journal()
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

// A program may lead elections of its own beside its units.
func TestEndOfTheRuntimeWaitsForElectionsOfTheProgram(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		a := c.node("a", c.probe("a").worker())
		go func() {
			_ = a.rt.Discovery().Election("own").Lead(c.Context(), func(ctx context.Context, _ election.Term) error {
				<-ctx.Done()
				c.note("own told %s", reason(context.Cause(ctx)))
				time.Sleep(5 * time.Second)
				c.note("own returns")
				return nil
			})
		}()
		c.pass(time.Second)
		c.lines = nil
		a.stop()
		c.note("over")
		c.lines = slicesAfter(c.lines, "shutdown")
		c.lines[0] = "1s own told ..."
		c.journal("1s own told ...", "6s own returns", "6s over")
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

// What the store takes to answer is not on the runner's account.
func TestShutdownWhileCutOffIsBoundedAndNobodyIsStuck(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		a := c.prepare("a", func(config *singleton.Config) {
			config.OnStuck = func(s singleton.Status) { c.Errorf("named as stuck: %+v", s) }
		})
		a.run(c.probe("a").worker(singleton.WithGrace(time.Millisecond)))
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
