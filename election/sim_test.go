package election_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton/election"
	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/enginetest"
	"github.com/singleton-go/singleton/engine/ramengine"
	"github.com/singleton-go/singleton/internal/lease"
)

// A whole cluster in virtual time: ten candidates, an hour of faults from a seed, then healing. A seed fixes the schedule of
// the faults, not the interleaving of what happens at one instant.

const (
	simNodes = 10
	simHour  = time.Hour
	simName  = "worker/sim"
)

var seeds = flag.Uint64("sim.seeds", 24, "how many schedules of faults to simulate")

func TestClusterUnderFaultsNeverRunsTwiceAndRecovers(t *testing.T) {
	t.Parallel()
	for seed := range *seeds {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { simulate(t, seed) })
		})
	}
}

func simulate(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	eng, err := ramengine.NewWith(ramengine.Options{ClockRate: 0.91 + 0.18*rnd.Float64()})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, eng: eng, running: map[*node]uint64{}, chance: rand.New(rand.NewPCG(seed, 2))}
	for range simNodes {
		w.nodes = append(w.nodes, w.start())
	}
	end := time.Now().Add(simHour)
	for time.Now().Before(end) {
		time.Sleep(time.Duration(rnd.Int64N(int64(20 * time.Second))))
		w.harm(rnd)
	}
	w.heal()
	w.mustLead()
	for _, n := range w.nodes {
		n.stop()
	}
	w.graves.Wait()
	w.mustBeEmpty()
	if w.terms < 100 {
		t.Errorf("only %d terms in an hour of faults: the schedule tests nothing", w.terms)
	}
}

// world is the cluster, and the book of who ran when.
type world struct {
	t      *testing.T
	eng    *ramengine.Engine
	nodes  []*node
	count  int
	heals  []func()
	graves sync.WaitGroup // killed nodes on their way out

	mu      sync.Mutex
	chance  *rand.Rand
	running map[*node]uint64
	highest uint64
	terms   int
}

// node is one process.
type node struct {
	w       *world
	name    string
	conn    *enginetest.Faulty
	lease   *lease.Lease
	ctx     context.Context
	cancel  context.CancelFunc
	dead    chan struct{} // closed when the process is killed: nothing of it runs after that
	stopped sync.WaitGroup
}

func (w *world) start() *node {
	w.count++
	n := &node{w: w, name: fmt.Sprintf("n%d", w.count), conn: enginetest.NewFaulty(w.eng.Connect()), dead: make(chan struct{})}
	n.lease = startLease(w.t, n.conn, n.name)
	n.ctx, n.cancel = context.WithCancel(w.t.Context())
	n.stopped.Go(n.campaign)
	return n
}

// campaign leads whenever it can, as a program would. Now and then it gives up waiting, and begins again.
func (n *node) campaign() {
	e := election.New(n.lease, simName, n.name)
	for n.ctx.Err() == nil {
		ctx, cancel := n.ctx, context.CancelFunc(func() {})
		if n.w.random(2) == 0 {
			ctx, cancel = context.WithTimeout(n.ctx, n.w.random(2*time.Minute))
		}
		if err := e.Lead(ctx, n.lead); errors.Is(err, election.ErrCandidate) {
			n.w.t.Errorf("%s: %v, though it has left", n.name, err)
		}
		cancel()
	}
}

// lead works until it is told to stop, or for a while, and takes its time to stop.
func (n *node) lead(ctx context.Context, term election.Term) error {
	if !n.w.enter(n, term.Token()) {
		return nil
	}
	defer n.w.exit(n)
	select {
	case <-ctx.Done():
		n.pause(n.w.random(n.lease.Timing().Drain))
	case <-time.After(n.w.random(2 * time.Minute)):
	case <-n.dead:
	}
	return nil
}

func (n *node) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-n.dead:
	}
}

func (w *world) enter(n *node, token uint64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-n.dead:
		return false
	default:
	}
	for other, t := range w.running {
		w.t.Errorf("%v: %s begins token %d while %s runs token %d", time.Now().UTC().Format(time.StampMilli), n.name, token, other.name, t)
	}
	if token <= w.highest {
		w.t.Errorf("%s: token %d after %d", n.name, token, w.highest)
	}
	w.running[n], w.highest = token, token
	w.terms++
	return true
}

func (w *world) exit(n *node) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.running, n)
}

func (w *world) random(limit time.Duration) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Duration(w.chance.Int64N(int64(limit)))
}

// mustLead waits for the stated time: what an older session holds is gone after a TTL of the slowest clock, and then the next
// candidate must have found its way back: one watch that is silent, one renewal, one campaign that waits to begin again.
func (w *world) mustLead() {
	t := lease.Timing{}.WithDefaults()
	deadline := time.Now().Add(time.Duration(float64(t.TTL)*(1+t.Drift)) + 2*(t.Renewal+t.CallTimeout))
	for time.Now().Before(deadline) {
		time.Sleep(100 * time.Millisecond)
		w.mu.Lock()
		leads := len(w.running) > 0
		w.mu.Unlock()
		if leads {
			return
		}
	}
	for _, n := range w.nodes {
		v := n.lease.Look(simName)
		trust, _ := n.lease.Trust()
		w.t.Logf("%s: session %s trust %v queue %v", n.name, n.lease.Session(), trust, v.Candidates)
	}
	w.t.Errorf("nobody leads %v after the last fault", time.Duration(float64(t.TTL)*(1+t.Drift))+2*(t.Renewal+t.CallTimeout))
}

// mustBeEmpty checks that nothing is left in the store once the sessions of killed processes have expired.
func (w *world) mustBeEmpty() {
	time.Sleep(20 * time.Second)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for u, err := range w.eng.Connect().Watch(ctx, engine.WatchOptions{}) {
		if err != nil || len(u.Changes) > 0 {
			w.t.Errorf("left in the store: %v %v", u.Changes, err)
		}
		return
	}
}
