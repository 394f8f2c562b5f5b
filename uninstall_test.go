package singleton_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton"
)

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
