package singleton_test

import (
	"context"
	"flag"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/singleton-go/singleton"
)

var (
	spreadNodes = flag.Int("spread.nodes", 30, "how many nodes the simulation of an even spread has; no more than 10 with -short or -race")
	spreadUnits = flag.Int("spread.units", 1000, "how many units it has; no more than 100 with -short or -race")
)

func spreads(config *singleton.Config)    { config.Spread = true }
func neverLeads(config *singleton.Config) { config.NeverLead = true }

func prefers(priority int) func(*singleton.Config) {
	return func(config *singleton.Config) { config.Spread, config.Priority = true, priority }
}

// A census is who runs which unit of a cluster whose units only run. It checks that none runs twice, and that tokens rise.
type census struct {
	*cluster

	mu    sync.Mutex
	leads map[string]int           // by node
	ended map[string]time.Duration // by unit, where nobody runs it
	moves int                      // terms that began, but for the first of each unit
	most  time.Duration            // the longest that nobody ran a unit, between two terms
}

func takeCensus(c *cluster) *census {
	return &census{cluster: c, leads: map[string]int{}, ended: map[string]time.Duration{}}
}

func (c *census) units(node string, n int) []singleton.Unit {
	units := make([]singleton.Unit, n)
	for i := range units {
		units[i] = singleton.Worker("unit-"+strconv.Itoa(i), singleton.RunnerFunc(func(ctx context.Context) error {
			term, _ := singleton.TermFrom(ctx)
			c.enter(node, term)
			c.counts(node, term)
			<-ctx.Done()
			c.left(node, term)
			c.exit(term)
			return nil
		}))
	}
	return units
}

func (c *census) counts(node string, term singleton.Term) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leads[node]++
	if since, ok := c.ended[term.Election()]; ok {
		c.moves++
		c.most = max(c.most, c.now()-since)
	}
}

func (c *census) left(node string, term singleton.Term) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leads[node]--
	c.ended[term.Election()] = c.now()
}

// spread checks that all units run, and that each of these nodes runs the same number, give or take one, and others none.
func (c *census) spread(units int, nodes ...string) {
	c.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	var total, low, high int
	for i, node := range nodes {
		n := c.leads[node]
		if i == 0 {
			low, high = n, n
		}
		total, low, high = total+n, min(low, n), max(high, n)
	}
	if total != units || high-low > 1 {
		c.Errorf("%v: the nodes run %v, want %d spread over %v", c.now(), c.leads, units, nodes)
	}
}

// moved returns how many units have moved since the last time.
func (c *census) moved() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.moves
	c.moves = 0
	return n
}

func TestUnitsSpreadEvenlyOverThoseWhoJoinAndLeave(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		const units = 60
		s := takeCensus(c)
		a := c.prepare("a", spreads).run(s.units("a", units)...)
		c.pass(time.Minute)
		s.spread(units, "a")
		b := c.prepare("b", spreads).run(s.units("b", units)...)
		c.pass(ttl / 2)
		if n := s.moved(); n > 0 {
			c.Errorf("%d units have moved to a node that has just come", n)
		}
		c.pass(time.Minute)
		s.spread(units, "a", "b")
		if n := s.moved(); n != units/2 {
			c.Errorf("%d units have moved, want %d", n, units/2)
		}
		if s.most > 0 {
			c.Errorf("nobody ran a unit for %v", s.most)
		}
		c.prepare("c", spreads).run(s.units("c", units)...)
		c.pass(time.Minute)
		s.spread(units, "a", "b", "c")
		if n := s.moved(); n != units/3 {
			c.Errorf("%d units have moved to the third node, want %d", n, units/3)
		}
		a.stop()
		c.pass(time.Minute)
		s.spread(units, "b", "c")
		if n := s.moved(); n > units/2 {
			c.Errorf("%d units have moved after one has left, want those of that one, and few more", n)
		}
		c.pass(time.Hour)
		if n := s.moved(); n > 0 {
			c.Errorf("%d units have moved where nothing had to", n)
		}
		b.stop()
		c.pass(0)
		s.spread(units, "c")
	})
}

func TestNodesThatStartTogetherShareTheUnitsByTheirQueues(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		const units = 300
		s := takeCensus(c)
		for _, name := range []string{"a", "b", "c"} {
			c.prepare(name, spreads).run(s.units(name, units)...)
		}
		c.pass(ttl / 10)
		if len(s.leads) < 3 || s.leads["a"] > units/2 {
			c.Errorf("after the head start the nodes run %v, want about a third each", s.leads)
		}
		if n := s.moved(); n > 0 {
			c.Errorf("%d units have moved before all were there for a while", n)
		}
		c.pass(time.Minute)
		s.spread(units, "a", "b", "c")
	})
}

func TestNodeThatComesAndGoesIsGivenNothing(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		const units = 10
		s := takeCensus(c)
		for _, name := range []string{"a", "b"} {
			c.prepare(name, spreads).run(s.units(name, units)...)
		}
		c.pass(time.Minute)
		s.moved()
		for range 20 {
			flaps := c.prepare("flaps", spreads).run(s.units("flaps", units)...)
			c.pass(ttl * 9 / 10)
			flaps.stop()
			c.pass(ttl / 10)
		}
		if n := s.moved(); n > 0 {
			c.Errorf("%d units have moved", n)
		}
	})
}

func TestUnitsGoToTheHighestPriorityAndComeBack(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		const units = 12
		s := takeCensus(c)
		for _, name := range []string{"a", "b"} {
			c.prepare(name, spreads).run(s.units(name, units)...)
		}
		c.pass(time.Minute)
		first := c.prepare("first", prefers(1)).run(s.units("first", units)...)
		c.pass(time.Minute)
		s.spread(units, "first")
		c.prepare("second", prefers(1)).run(s.units("second", units)...)
		c.pass(time.Minute)
		s.spread(units, "first", "second")
		first.stop()
		c.pass(time.Minute)
		s.spread(units, "second")
		if s.most > 0 {
			c.Errorf("nobody ran a unit for %v", s.most)
		}
	})
}

func TestWeightsDivideTheUnits(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		s := takeCensus(c)
		for name, weight := range map[string]int{"a": 1, "b": 2, "c": 3} {
			c.prepare(name, func(config *singleton.Config) { config.Spread, config.Weight = true, weight }).run(s.units(name, 60)...)
		}
		c.pass(time.Minute)
		if s.leads["a"] != 10 || s.leads["b"] != 20 || s.leads["c"] != 30 {
			c.Errorf("the nodes run %v, want 10, 20 and 30", s.leads)
		}
	})
}

func TestNodeThatNeverLeadsStaysOutOfTheQueueAndRunsReplicas(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		s := takeCensus(c)
		replica := c.probe("replica")
		observer := c.prepare("observer", neverLeads, spreads).run(append(s.units("observer", 5), singleton.Replica("r", replica))...)
		c.pass(time.Hour)
		observer.is("worker/unit-0", singleton.Init)
		observer.is("replica/r", singleton.Ready)
		a := c.prepare("a", spreads).run(s.units("a", 5)...)
		c.pass(time.Minute)
		s.spread(5, "a")
		if err := observer.rt.Uninstall(c.Context(), "worker/unit-1"); err != nil {
			c.Error(err)
		}
		if err := observer.rt.Install(s.units("observer", 2)[1]); err != nil {
			c.Error(err)
		}
		a.stop()
		c.pass(time.Hour)
		s.spread(0, "observer")
	})
}

func TestUnitIsStoppedDuringTheHeadStartOfOthers(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		s := takeCensus(c)
		a := c.prepare("a", spreads).run(s.units("a", 20)...)
		if err := a.rt.Uninstall(c.Context(), "worker/unit-7"); err != nil {
			c.Error(err)
		}
		c.pass(time.Minute)
		s.spread(19, "a")
	})
}

// A unit whose runner is slow to stop moves when it has stopped, and holds up the others no longer than that.
func TestUnitThatDrainsIsHandedOverWhenItHasReturned(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		slow := func(name string) []singleton.Unit {
			var units []singleton.Unit
			for _, unit := range []string{"1", "2"} {
				p := c.probe(name)
				p.run = untilTold(20 * time.Second)
				units = append(units, singleton.Worker(unit, p))
			}
			return units
		}
		a := c.prepare("a", spreads).run(slow("a")...)
		c.pass(time.Minute)
		b := c.prepare("b", spreads).run(slow("b")...)
		c.pass(time.Minute)
		ready := 0
		for _, n := range []*node{a, b} {
			for _, s := range n.rt.Status() {
				if s.State == singleton.Ready {
					ready++
				}
			}
		}
		if _, ok := readyOf(a); ready != 2 || !ok {
			c.Errorf("%d units are ready, want one on each node", ready)
		}
	})
}

// readyOf returns a unit that is ready on a node, if there is exactly one.
func readyOf(n *node) (name string, ok bool) {
	for _, s := range n.rt.Status() {
		if s.State == singleton.Ready {
			if ok {
				return "", false
			}
			name, ok = s.String(), true
		}
	}
	return name, ok
}

func TestShareThatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		for want, config := range map[string]singleton.Config{
			"Weight -1":  {Prefix: "/t", Spread: true, Weight: -1},
			"Weight 2":   {Prefix: "/t", Weight: 2},
			"Priority 1": {Prefix: "/t", Priority: 1},
		} {
			if _, err := singleton.New(c.store, config); err == nil || !strings.Contains(err.Error(), want) {
				c.Errorf("got %v, want an error that names %s", err, want)
			}
		}
	})
}

// TestManyNodesAndUnitsUnderFaultsSpreadEvenly is the whole of it in virtual time: nodes are stopped, started and cut off. When that
// is over the units must be spread; and so they must after half of the nodes were started anew, by hand-overs that nobody notices.
func TestManyNodesAndUnitsUnderFaultsSpreadEvenly(t *testing.T) {
	nodes, units := *spreadNodes, *spreadUnits
	if small := testing.Short() || raceEnabled; small {
		nodes, units = min(nodes, 10), min(units, 100)
	}
	inCluster(t, func(c *cluster) {
		f := fleet{census: takeCensus(c), all: make([]*node, nodes), units: units}
		for i := range nodes {
			f.start(i)
		}
		f.faults(rand.New(rand.NewPCG(1, 2)), 20)
		f.settles("faults")
		for i := range nodes / 2 {
			f.all[i].stop()
		}
		for i := range nodes / 2 {
			f.start(i)
		}
		f.most = 0
		f.settles("a deployment")
		if f.most > 0 {
			c.Errorf("nobody ran a unit for %v", f.most)
		}
	})
}

// A fleet is nodes of which every tenth never leads.
type fleet struct {
	*census

	all   []*node
	units int
}

func nameOf(i int) string { return "node-" + strconv.Itoa(i) }

func (f *fleet) start(i int) {
	adjust := spreads
	if i%10 == 9 {
		adjust = neverLeads
	}
	f.all[i] = f.prepare(nameOf(i), adjust).run(f.census.units(nameOf(i), f.units)...)
}

// faults lets something happen to one node after the other.
func (f *fleet) faults(rnd *rand.Rand, n int) {
	for range n {
		f.pass(time.Duration(rnd.Int64N(int64(30 * time.Second))))
		i := rnd.IntN(len(f.all))
		if rnd.IntN(2) == 0 {
			f.all[i].stop()
			f.start(i)
			continue
		}
		heal := f.all[i].conn.Cut()
		time.AfterFunc(time.Duration(rnd.Int64N(int64(2*ttl))), heal)
	}
}

// settles waits until nothing has moved for a while, and checks that the units are spread then.
func (f *fleet) settles(after string) {
	f.Helper()
	f.moved()
	began, last, moves := f.now(), f.now(), 0
	for f.now()-last < 3*ttl {
		f.pass(time.Second)
		if n := f.moved(); n > 0 {
			moves += n
			last = f.now()
		}
		if f.now()-began > time.Hour {
			f.Fatal("units move for ever")
		}
	}
	var leaders []string
	for i := range f.all {
		if i%10 != 9 {
			leaders = append(leaders, nameOf(i))
		}
	}
	f.spread(f.units, leaders...)
	f.Logf("after %s %d units moved, and were spread in %v", after, moves, last-began)
}
