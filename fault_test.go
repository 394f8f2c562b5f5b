package singleton_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/enginetest"
	"github.com/singleton-go/singleton/schedule"
)

// The faults that others have. The book of the cluster fails each test in which a runner begins beside another.

func TestLeaderThatIsCutOffHasStoppedBeforeAnotherBegins(t *testing.T) {
	t.Parallel()
	for how, harm := range map[string]func(*enginetest.Faulty) func(){
		"cut":   (*enginetest.Faulty).Cut,
		"mute":  (*enginetest.Faulty).Mute,
		"stall": (*enginetest.Faulty).Stall,
		"refuse": func(f *enginetest.Faulty) func() {
			return f.Refuse(errors.New("the store can't be reached"))
		},
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			inCluster(t, func(c *cluster) {
				p := c.probe("a")
				p.run = untilTold(drain - time.Millisecond) // all the time there is
				a, b := c.node("a", p.worker()), c.node("b", c.probe("b").worker())
				for range 5 {
					heal := harm(a.conn)
					c.pass(3 * ttl)
					a.is("worker/w", singleton.Pending)
					b.is("worker/w", singleton.Ready)
					heal()
					c.pass(3 * ttl)
					heal = harm(b.conn)
					c.pass(3 * ttl)
					a.is("worker/w", singleton.Ready)
					heal()
					c.pass(3 * ttl)
				}
			})
		})
	}
}

func TestOneRenewalThatFailsLosesNothing(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		a := c.node("a", c.probe("a").worker())
		a.conn.Decide(func(call enginetest.Call) (f enginetest.Fate) {
			f.Dropped = call.Op == enginetest.OpRenew && call.N%3 != 0
			return f
		})
		c.pass(time.Hour)
		c.journal("0s a startup", "0s a run")
	})
}

func TestLossThatIsSeenEndsTheRunAtOnce(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		a := c.node("a", c.probe("a").worker())
		c.pass(time.Second)
		c.removeLeader()
		c.pass(0)
		c.lines = c.lines[:5]
		c.journal("0s a startup", "0s a run", "1s a told lost", "1s a returns", "1s a shutdown lost")
		c.pass(time.Minute)
		a.is("worker/w", singleton.Ready)
	})
}

// removeLeader removes the record of the worker "w" by force.
func (c *cluster) removeLeader() {
	c.Helper()
	s, err := c.store.Open(c.Context(), engine.SessionOptions{TTL: time.Hour})
	if err != nil {
		c.Fatal(err)
	}
	defer s.Close(c.Context())
	for u, err := range c.store.Watch(c.Context(), engine.WatchOptions{}) {
		if err != nil {
			c.Fatal(err)
		}
		for _, change := range u.Changes {
			if change.Record.Created == c.token["worker/w"] {
				if err := s.Delete(c.Context(), change.Record); err != nil {
					c.Fatal(err)
				}
			}
		}
		return
	}
}

func TestAllNodesCampaignAgainAfterAnOutageOfThreeTTLs(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		var heals []func()
		for _, name := range []string{"a", "b", "d"} {
			c.node(name, c.probe(name).worker(), singleton.Service("s", c.probe(name)))
		}
		for range 4 {
			for _, n := range c.nodes {
				heals = append(heals, n.conn.Cut())
			}
			c.pass(3 * ttl)
			for _, n := range c.nodes {
				n.is("worker/w", singleton.Pending)
			}
			for _, heal := range heals {
				heal()
			}
			c.pass(ttl)
			ready := 0
			for _, n := range c.nodes {
				for _, s := range n.rt.Status() {
					if s.State == singleton.Ready {
						ready++
					}
				}
			}
			if ready != 2 {
				c.Errorf("%v: %d units are ready, want both", c.now(), ready)
			}
		}
	})
}

func TestStoreThatIsAwayAtTheStartIsWaitedFor(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		a := c.prepare("a")
		heal := a.conn.Refuse(errors.New("the store can't be reached"))
		a.run(c.probe("a").worker(), singleton.Replica("r", singleton.RunnerFunc(c.probe("r").run)))
		c.pass(time.Hour)
		a.is("worker/w", singleton.Pending)
		a.is("replica/r", singleton.Ready)
		heal()
		c.pass(ttl)
		a.is("worker/w", singleton.Ready)
	})
}

func TestTwoRuntimesOnOneEngineRunAUnitOnce(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		config := singleton.Config{Prefix: "/t", Node: "same"} // a name is not an identity
		ctx, cancel := context.WithCancel(c.Context())
		over := make(chan error)
		for range 2 {
			rt, err := singleton.New(c.store, config)
			if err != nil {
				c.Fatal(err)
			}
			go func() { over <- rt.Run(ctx, c.probe("one").worker()) }()
		}
		c.pass(time.Hour)
		c.journal("0s one startup", "0s one run")
		cancel()
		for range 2 {
			if err := <-over; err != nil {
				c.Error(err)
			}
		}
	})
}

func TestStoreThatWentBackHasNoLeader(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		a := c.node("a", c.probe("a").worker())
		c.store.Rewind()
		c.pass(time.Hour)
		a.is("worker/w", singleton.Pending)
		if _, err := a.rt.Discovery().Trust(); !errors.Is(err, engine.ErrRewound) {
			c.Errorf("Trust says %v, want ErrRewound", err)
		}
		c.lines = slicesAfter(c.lines, "run")[:1]
		if want := "told lost"; c.lines[0][len(c.lines[0])-len(want):] != want {
			c.Errorf("the journal goes on %q", c.lines)
		}
		a.tell()
		<-a.over // there is no session to end
		a.err = nil
	})
}

func TestFirstCallAfterAHandOverIsNotLate(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		job := func(who string) singleton.Unit {
			return singleton.Worker("w", schedule.Every(time.Minute, func(ctx context.Context) error {
				term, _ := singleton.TermFrom(ctx)
				c.enter(who, term)
				defer c.exit(term)
				c.token["worker/w"]-- // the same term calls again
				c.note("%s", who)
				return nil
			}))
		}
		a := c.node("a", job("a"))
		b := c.node("b", job("b"))
		c.passTo(70 * time.Second)
		a.stop()
		c.passTo(90 * time.Second)
		heal := b.conn.Cut()
		c.node("d", job("d"))
		c.passTo(3 * time.Minute)
		heal()
		c.journal("0s a", "1m0s a", "1m10s b", "1m40s d", "2m40s d")
	})
}
