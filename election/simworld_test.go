package election_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/ramengine"
)

// world is the cluster of one simulation.
type world struct {
	t      *testing.T
	sum    *figures
	eng    *ramengine.Engine
	delay  time.Duration
	began  time.Time
	book   *book
	life   int // of the store, see its Rewind
	nodes  []*node
	count  int
	heals  []func()
	healed chan struct{}
	sick   bool           // a fault lasts
	graves sync.WaitGroup // processes on their way out

	flights sync.WaitGroup // effects on their way to the resource, and one for the world itself

	mu     sync.Mutex
	chance *rand.Rand
}

func newWorld(t *testing.T, p *plan, sum *figures) *world {
	eng, err := ramengine.NewWith(ramengine.Options{ClockRate: p.rate})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, sum: sum, eng: eng, delay: p.delay, began: time.Now(), healed: make(chan struct{}),
		chance: rand.New(rand.NewPCG(p.seed, 2)),
	}
	w.book = &book{w: w, byHand: map[uint64]time.Time{}}
	w.flights.Add(1)
	return w
}

// now is the time since the beginning, as in the schedule.
func (w *world) now() time.Duration { return time.Since(w.began) }

func (w *world) random(limit time.Duration) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Duration(w.chance.Int64N(int64(limit)))
}

// revive starts processes again whose store has forgotten them, as a supervisor does.
func (w *world) revive() {
	for i, n := range w.nodes {
		if errors.Is(n.lease.Over(), engine.ErrRewound) {
			n.stop()
			w.nodes[i] = w.start()
		}
	}
}

func (w *world) heal() {
	close(w.healed)
	for _, heal := range w.heals {
		heal()
	}
	for _, n := range w.nodes {
		n.mu.Lock()
		n.rules = nil
		n.mu.Unlock()
	}
}

// recovery is how long it may take until somebody leads: what an older session holds is gone after a TTL of the slowest
// clock, and then the next candidate must have found its way back: one watch that is silent, one renewal, one campaign that waits
// to begin again. Where the store forgot, its process is also to notice that, and to be started anew.
func (w *world) recovery() time.Duration {
	t := simTiming
	d := time.Duration(float64(t.TTL)*(1+t.Drift)) + 2*(t.Renewal+t.CallTimeout) + w.delay
	if w.sick { // until it gives up what it can't lead by
		d += simStopLine + 2*t.CallTimeout
	}
	return d
}

func (w *world) mustLead() {
	for began := time.Now(); time.Since(began) <= w.recovery(); {
		time.Sleep(100 * time.Millisecond)
		w.revive()
		if w.book.leader() != nil {
			return
		}
	}
	for _, n := range w.nodes {
		trust, over := n.lease.Trust()
		w.t.Logf("%s: session %s trust %v over %v queue %v", n.name, n.lease.Session(), trust, over, n.lease.Look(simName).Candidates)
	}
	w.t.Errorf("nobody leads %v after the last fault", w.recovery())
}

// mustStay lets the healed cluster go on, where nothing is lost any more once all sessions of the time of the faults are over.
func (w *world) mustStay() {
	time.Sleep(w.recovery())
	w.revive()
	before := w.book.losses()
	time.Sleep(4 * simTiming.TTL)
	if lost := w.book.losses() - before; lost > 0 {
		w.t.Errorf("%d terms were lost though nothing is broken any more", lost)
	}
}

// mustBeEmpty checks that nothing is left in the store once the sessions of killed processes have expired.
func (w *world) mustBeEmpty() {
	time.Sleep(2 * simTiming.TTL)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for u, err := range w.eng.Connect().Watch(ctx, engine.WatchOptions{}) {
		if err != nil || len(u.Changes) > 0 {
			w.t.Errorf("left in the store: %v %v", u.Changes, err)
		}
		return
	}
}
