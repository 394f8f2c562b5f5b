package election_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/singleton-go/singleton/election"
	"github.com/singleton-go/singleton/engine/enginetest"
	"github.com/singleton-go/singleton/internal/lease"
)

// node is one process.
type node struct {
	w       *world
	name    string
	life    int // of the store that it knows
	conn    *enginetest.Faulty
	lease   *lease.Lease
	ctx     context.Context
	cancel  context.CancelFunc
	dead    chan struct{} // closed when the process is killed: nothing of it runs after that
	stopped sync.WaitGroup

	mu      sync.Mutex
	rules   []rule
	asleep  int           // pauses that overlap
	resumed chan struct{} // closed when the last of them is over
}

// A rule decides about calls until its time is over.
type rule struct {
	until time.Time
	fate  func(enginetest.Call) enginetest.Fate
}

func (w *world) start() *node {
	w.count++
	n := &node{w: w, name: fmt.Sprintf("n%d", w.count), life: w.life, conn: enginetest.NewFaulty(w.eng.Connect()), dead: make(chan struct{})}
	n.conn.Decide(n.decide)
	n.lease = startLease(w.t, n.conn, n.name)
	n.ctx, n.cancel = context.WithCancel(w.t.Context())
	n.stopped.Go(n.campaign)
	return n
}

// decide asks all rules that hold now; the first that does something counts.
func (n *node) decide(c enginetest.Call) enginetest.Fate {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, r := range n.rules {
		if time.Now().After(r.until) {
			continue
		}
		if f := r.fate(c); f != (enginetest.Fate{}) {
			return f
		}
	}
	return enginetest.Fate{}
}

// campaign leads whenever it can, as a program would. Now and then it gives up waiting, and begins again.
func (n *node) campaign() {
	e := election.New(n.lease, simName, n.name, election.WithTakeoverDelay(n.w.delay))
	for n.ctx.Err() == nil && n.lease.Over() == nil {
		ctx, cancel := n.ctx, context.CancelFunc(func() {})
		if n.w.random(2) == 0 {
			ctx, cancel = context.WithTimeout(n.ctx, n.w.random(2*time.Minute))
		}
		if err := e.Lead(ctx, n.lead); errors.Is(err, election.ErrCandidate) {
			n.w.t.Errorf("%s: %v, though it has left", n.name, err)
		}
		cancel()
		n.awake()
	}
}

// lead is the runner. It works until it is told to stop, or for a while, and takes its time to stop.
func (n *node) lead(ctx context.Context, term election.Term) error {
	t := n.w.book.begin(n, term)
	if t == nil {
		return nil
	}
	n.awake()
	if !n.w.book.enter(t) {
		return nil
	}
	defer n.w.book.exit(t)
	n.write(t)
	work := time.After(n.w.random(2 * time.Minute))
	for working := true; working; {
		select {
		case <-ctx.Done():
			working = false
		case <-work:
			working = false
		case <-n.dead:
			working = false
		case <-time.After(n.w.random(5 * time.Second)):
			n.write(t)
		}
		n.awake()
	}
	if ctx.Err() != nil {
		n.drain(t)
	}
	n.write(t)
	return nil
}

// drain takes the time that a runner may take to stop, or more where that is its fault. After a planned end it may take as long
// as it likes, until the term is lost all the same.
func (n *node) drain(t *tenure) {
	defer n.awake()
	select {
	case <-t.term.Lost():
	case <-n.dead:
		return
	case <-time.After(n.w.random(2 * simTiming.TTL)):
		return
	case <-n.w.healed:
		return
	}
	budget, overrun := simTiming.Drain, time.Duration(0)
	switch n.w.random(8) {
	case 0, 1, 2:
		budget = n.w.random(budget)
	case 3: // the fault of the runner
		overrun = n.w.random(3 * simTiming.TTL)
	}
	select {
	case <-n.dead:
		return
	case <-time.After(budget):
	}
	select {
	case <-n.dead:
	case <-n.w.healed:
	case <-time.After(overrun):
	}
}

// write sends an effect to the resource. Some travel long, and arrive when their term is over.
func (n *node) write(t *tenure) {
	if n.isDead() {
		return
	}
	travel := n.w.random(100 * time.Millisecond)
	if n.w.random(10) == 0 {
		travel = n.w.random(3 * simTiming.TTL)
	}
	if t.entered.Equal(time.Now()) {
		travel = 0
	}
	n.w.flights.Go(func() {
		time.Sleep(travel)
		n.w.book.write(t)
	})
}

// awake returns when the process is not paused.
func (n *node) awake() {
	for {
		n.mu.Lock()
		asleep, resumed := n.asleep, n.resumed
		n.mu.Unlock()
		if asleep == 0 {
			return
		}
		select {
		case <-resumed:
		case <-n.dead:
			return
		}
	}
}

// pause stops what the model can stop of a process: its code outside the library, and all that it sends and receives. What it was
// sending arrives when it goes on.
func (n *node) pause() (resume func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.asleep++; n.asleep == 1 {
		n.resumed = make(chan struct{})
	}
	hold, mute := n.conn.Hold(), n.conn.Mute()
	return func() {
		hold()
		mute()
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.asleep--; n.asleep == 0 {
			close(n.resumed)
		}
	}
}

func (n *node) isDead() bool {
	select {
	case <-n.dead:
		return true
	default:
		return false
	}
}

// kill ends a process at this instant, as SIGKILL does: nothing of it runs any more, and the store is not told.
func (n *node) kill() {
	n.conn.Cut()
	n.w.book.mu.Lock()
	close(n.dead)
	n.w.book.die(n)
	n.w.book.mu.Unlock()
	n.cancel()
	n.w.graves.Go(func() {
		n.stopped.Wait()
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_ = n.lease.Close(ended)
		n.conn.Close()
	})
}

// stop ends a process in a planned way.
func (n *node) stop() {
	n.cancel()
	n.w.graves.Go(func() {
		n.stopped.Wait()
		_ = n.lease.Close(context.Background())
		n.conn.Close()
	})
}
