package singleton_test

import (
	"context"
	"errors"
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

func TestUnitUninstalledBeforeItHasEnteredTheQueueNeverDoes(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		a := c.node("a")
		for range 100 {
			if err := a.rt.Install(c.probe("a").worker()); err != nil {
				c.Fatal(err)
			}
			if err := a.rt.Uninstall(c.Context(), "worker/w"); err != nil {
				c.Fatal(err)
			}
		}
		c.lines = nil
		c.pass(time.Minute)
		c.journal()
		if got := c.records(); len(got) != 2 {
			c.Errorf("the store has %v, want the node alone", got)
		}
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

// Whoever comes first, the runtime that stops or the one who uninstalls: what was uninstalled is gone at the end.
func TestUnitUninstalledBesideTheEndOfTheRuntimeIsGone(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"runtime", "unit"} {
		t.Run(first, func(t *testing.T) {
			t.Parallel()
			inCluster(t, func(c *cluster) {
				p := c.probe("a")
				p.run = untilTold(time.Second)
				a := c.node("a", p.worker())
				if first == "runtime" {
					a.tell()
					synctest.Wait()
				}
				ctx, cancel := context.WithTimeout(c.Context(), time.Millisecond)
				defer cancel()
				if err := a.rt.Uninstall(ctx, "worker/w"); !errors.Is(err, context.DeadlineExceeded) {
					c.Errorf("Uninstall returned %v, want that it was given up", err)
				}
				a.stop()
				if s := a.rt.Status(); len(s) > 0 {
					c.Errorf("the units are %v, want none", s)
				}
			})
		})
	}
}

func TestUnitUninstalledAfterTheRuntimeHasStoppedItIsGone(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		slow := c.probe("slow")
		slow.run = untilTold(time.Second)
		a := c.node("a", c.probe("a").worker(), singleton.Worker("slow", slow))
		a.tell()
		c.pass(time.Second / 2)
		a.is("worker/w", singleton.Stopped)
		a.is("worker/slow", singleton.Stopping)
		if err := a.rt.Uninstall(c.Context(), "worker/w"); err != nil {
			c.Error(err)
		}
		if s := a.rt.Status(); len(s) != 1 {
			c.Errorf("the units are %v, want the slow one alone", s)
		}
	})
}

func TestUnitUninstalledWhileItRestsStopsAtOnce(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		p := c.probe("a")
		p.run = func(context.Context) error { return errors.New("broken") }
		a := c.node("a", p.worker(singleton.WithBackoff(time.Hour, time.Hour)), singleton.Replica("r", p))
		for _, unit := range []string{"worker/w", "replica/r"} {
			a.is(unit, singleton.Error)
			if err := a.rt.Uninstall(c.Context(), unit); err != nil {
				c.Error(err)
			}
		}
		c.lines = nil
		c.pass(3 * time.Hour)
		c.journal()
		if now, s := c.now(), a.rt.Status(); now != 3*time.Hour || len(s) > 0 {
			c.Errorf("%v: the units are %v", now, s)
		}
	})
}

// The record of the last term can't be removed, and the unit queues anew only when it is gone.
func TestUnitUninstalledOnItsWayBackToTheQueueStopsAtOnce(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		p := c.probe("a")
		p.run = func(context.Context) error { time.Sleep(time.Second); return errors.New("broken") }
		a := c.node("a", p.worker(singleton.WithBackoff(time.Millisecond, time.Millisecond)))
		defer a.conn.Refuse(errors.New("the store can't be reached"))()
		c.passTo(4 * time.Second)
		a.is("worker/w", singleton.Pending)
		if err := a.rt.Uninstall(c.Context(), "worker/w"); err != nil || c.now() > 7*time.Second {
			c.Errorf("%v: %v, want it stopped soon", c.now(), err)
		}
		c.journal("0s a startup", "0s a run", "1s a returns", "1s a shutdown broken")
		a.tell()
		<-a.over
		a.err = nil // it could not tell the store
	})
}

// The record of the unit that was uninstalled can't be removed yet, and must not be taken for the new one's.
func TestUnitInstalledAgainWhileTheStoreIsAwayQueuesWhenItIsBack(t *testing.T) {
	t.Parallel()
	for how, harm := range map[string]func(*node) (heal func()){
		"cut":    func(n *node) func() { return n.conn.Cut() },
		"mute":   func(n *node) func() { return n.conn.Mute() },
		"refuse": func(n *node) func() { return n.conn.Refuse(errors.New("the store can't be reached")) },
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			inCluster(t, func(c *cluster) {
				a, b := c.node("a", c.probe("a").worker()), c.node("b", c.probe("b").worker())
				c.pass(time.Second)
				heal := harm(a)
				if err := a.rt.Uninstall(c.Context(), "worker/w"); err != nil || c.now() > 5*time.Second {
					c.Errorf("%v: %v, want it stopped soon", c.now(), err)
				}
				if err := a.rt.Install(c.probe("new").worker()); err != nil {
					c.Error(err)
				}
				c.pass(0)
				a.is("worker/w", singleton.Pending)
				heal()
				c.pass(5 * time.Second)
				if s := a.is("worker/w", singleton.Pending); s.Failures > 0 {
					c.Errorf("status %+v: what the store does is no failure of the unit", s)
				}
				b.is("worker/w", singleton.Ready)
				b.stop()
				c.pass(5 * time.Second)
				a.is("worker/w", singleton.Ready)
			})
		})
	}
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
