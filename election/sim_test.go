package election_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton/internal/lease"
)

// Whole clusters in virtual time: some candidates, minutes of faults from a seed, then healing. A seed fixes the schedule of the
// faults, not the interleaving of what happens at one instant. What is broken, what is checked and what the model can't show is in
// docs/simulation.md.

const simName = "worker/sim"

var (
	simFrom  = flag.Uint64("sim.from", 0, "the first schedule of faults to simulate")
	simSeeds = flag.Uint64("sim.seeds", 0, "how many schedules of faults to simulate; 0: a few hundred, less with -short or -race")
	simFor   = flag.Duration("sim.for", 10*time.Minute, "how long the faults of a schedule last, in virtual time")
)

// figures add up what the simulations of one run saw, so that a person can tell whether they tested anything.
type figures struct {
	terms    atomic.Int64
	lost     atomic.Int64 // terms that ended by a loss
	overlaps atomic.Int64 // executions side by side, with the bound that the schedule broke
	stale    atomic.Int64 // effects that were tried after one of a newer term, and refused
}

func (f *figures) String() string {
	return fmt.Sprintf("%d terms, %d lost, %d overlaps that a broken bound explains, %d stale effects refused",
		f.terms.Load(), f.lost.Load(), f.overlaps.Load(), f.stale.Load())
}

func seeds() uint64 {
	switch {
	case *simSeeds > 0:
		return *simSeeds
	case testing.Short():
		return 40
	case raceEnabled:
		return 60
	default:
		return 300
	}
}

func TestClusterUnderFaultsNeverRunsTwiceAndRecovers(t *testing.T) {
	t.Parallel()
	var sum figures
	n := seeds()
	t.Cleanup(func() {
		t.Logf("%d seeds from %d: %v", n, *simFrom, &sum)
		if *simSeeds > 0 { // for those who run very many
			_, _ = fmt.Fprintln(os.Stdout, "sim:", &sum)
		}
		if n >= 40 && (sum.terms.Load() < 3*int64(n) || sum.lost.Load() == 0 || sum.overlaps.Load() == 0 || sum.stale.Load() == 0) {
			t.Error("the schedules test too little")
		}
	})
	for seed := *simFrom; seed < *simFrom+n; seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { simulate(t, seed, &sum) })
		})
	}
}

// simulate runs one schedule: the phase of faults, and then the healing.
func simulate(t *testing.T, seed uint64, sum *figures) {
	p := newPlan(seed, *simFor)
	w := newWorld(t, p, sum)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the schedule of seed %d:\n%v", seed, p)
		}
	})
	for range p.nodes {
		w.nodes = append(w.nodes, w.start())
	}
	for _, e := range p.events {
		time.Sleep(time.Until(w.began.Add(e.at)))
		w.revive()
		w.harm(e)
	}
	w.heal()
	recovers := func() {}
	if p.sick != "" {
		recovers = w.nodes[0].falls(p.sick)
	}
	w.mustLead()
	w.mustStay()
	recovers()
	for _, n := range w.nodes {
		n.stop()
	}
	w.graves.Wait()
	w.flights.Done()
	w.flights.Wait()
	w.mustBeEmpty()
}

// A plan is all that a seed decides beforehand.
type plan struct {
	seed   uint64
	nodes  int
	rate   float64       // of the store's clock
	delay  time.Duration // the takeover delay
	sick   string        // the fault that the first node keeps when all else is healed, if any
	events []event
}

func newPlan(seed uint64, length time.Duration) *plan {
	rnd := rand.New(rand.NewPCG(seed, 1))
	p := &plan{seed: seed, nodes: 3 + rnd.IntN(4)}
	switch rnd.IntN(4) { // the edges of the stated drift, and what is between them
	case 0:
		p.rate = 1.111
	case 1:
		p.rate = 0.9
	default:
		p.rate = 0.9 + 0.21*rnd.Float64()
	}
	if rnd.IntN(4) == 0 {
		p.delay = time.Duration(1 + rnd.Int64N(int64(simTiming.TTL)))
	}
	p.sick = []string{"", "", "stall", "cut answers"}[rnd.IntN(4)]
	for at := time.Duration(0); ; {
		if at += time.Duration(rnd.Int64N(int64(20 * time.Second))); at > length {
			return p
		}
		p.events = append(p.events, newEvent(rnd, at, p.nodes))
	}
}

func (p *plan) String() string {
	s := fmt.Sprintf("%d nodes, store's clock at %.3f, takeover delay %v, lasting fault %q\n", p.nodes, p.rate, p.delay, p.sick)
	for _, e := range p.events {
		s += e.String() + "\n"
	}
	return s
}

var simTiming = lease.Timing{}.WithDefaults()

// simStopLine is how long after the last proof a hold may last.
var simStopLine = time.Duration(float64(simTiming.TTL)*(1-simTiming.Drift)) - simTiming.Margin - simTiming.Drain
