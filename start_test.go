package singleton_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/engine/enginetest"
)

func TestNothingStartsUnderAContextThatHasEnded(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		a := c.prepare("a")
		a.conn.Decide(func(call enginetest.Call) enginetest.Fate {
			c.Errorf("the store was called: %+v", call)
			return enginetest.Fate{}
		})
		if err := a.rt.Install(singleton.Worker("before", c.probe("before"))); err != nil {
			c.Error(err)
		}
		ctx, cancel := context.WithCancel(c.Context())
		cancel()
		if err := a.rt.Run(ctx, c.probe("a").worker(), singleton.Replica("r", c.probe("r"))); err != nil {
			c.Errorf("Run returned %v, want an orderly stop", err)
		}
		c.pass(time.Minute)
		c.journal()
		if a.rt.Run(c.Context()) == nil || !errors.Is(a.rt.Install(c.probe("a").worker()), singleton.ErrStopped) {
			c.Error("the runtime can be used again")
		}
		if s := a.rt.Status(); len(s) > 0 {
			c.Errorf("the units are %v, want none", s)
		}
	})
}

func TestSecondRunIsRefusedAndHarmsNothing(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		a := c.node("a", c.probe("a").worker())
		if err := a.rt.Run(c.Context(), singleton.Worker("other", c.probe("other"))); err == nil {
			c.Error("Run ran twice at the same time")
		}
		c.pass(time.Hour)
		a.is("worker/w", singleton.Ready)
		c.journal("0s a startup", "0s a run")
	})
}

// In the original, fail-over takes 44 to 56 s whatever the TTL.
func TestCrashedLeaderIsReplacedWithinItsTTL(t *testing.T) {
	t.Parallel()
	for _, ttl := range []time.Duration{time.Second, 10 * time.Second, time.Minute} {
		t.Run(ttl.String(), func(t *testing.T) {
			t.Parallel()
			inCluster(t, func(c *cluster) {
				short := func(config *singleton.Config) { config.Timing.TTL = ttl }
				a, b := c.prepare("a", short), c.prepare("b", short)
				a.run(c.probe("a").worker())
				b.run(c.probe("b").worker())
				c.passTo(time.Hour + ttl/3)
				defer a.conn.Cut()()
				c.pass(ttl)
				b.is("worker/w", singleton.Ready)
				a.tell()
				<-a.over
				a.err = nil // dead processes say nothing
			})
		})
	}
}

// etcd's recipe waits on for the key before it when its own is gone, and then leads without one.
func TestWaitingUnitWhoseSessionDiedLeadsOnlyWithANewRecord(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		a, b := c.node("a", c.probe("a").worker()), c.node("b", c.probe("b").worker())
		heal := b.conn.Cut()
		c.passTo(3 * ttl)
		a.stop() // b's record is long gone
		c.passTo(6 * ttl)
		b.is("worker/w", singleton.Pending)
		d := c.node("d", c.probe("d").worker())
		c.passTo(7 * ttl)
		heal()
		c.passTo(9 * ttl)
		d.is("worker/w", singleton.Ready)
		b.is("worker/w", singleton.Pending)
		d.stop()
		c.pass(0)
		s := b.is("worker/w", singleton.Ready)
		if leader, err := b.rt.Discovery().Election("worker/w").Leader(c.Context()); err != nil || leader.Token != s.Token {
			c.Errorf("the store has %+v (%v), and the unit the token %d", leader, err, s.Token)
		}
	})
}

// A prefix such as el3 reads el30's leader in etcd's recipe.
func TestNamesThatBeginAlikeAreUnitsApart(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		names := []string{"el3", "el30", "el3.0", "el", "el3-0"}
		for _, name := range names {
			c.node(name, singleton.Worker(name, c.probe(name)), singleton.Service(name, c.probe("service "+name)))
		}
		c.pass(time.Hour)
		for i, name := range names {
			for _, unit := range []string{"worker/", "service/"} {
				s := c.nodes[i].is(unit+name, singleton.Ready)
				leader, err := c.nodes[0].rt.Discovery().Election(unit + name).Leader(c.Context())
				if err != nil || leader.Token != s.Token {
					c.Errorf("%s: the leader is %+v (%v), want token %d", unit+name, leader, err, s.Token)
				}
			}
		}
	})
}
