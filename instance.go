package singleton

import (
	"sync"
	"time"

	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/election"
)

// An instance is a unit of this process on its way through its life. While it waits in the queue it has no goroutine; at any
// other time one goroutine has it, see live. Its mutex is held for moments only, and orders what others see.
type instance struct {
	rt   *Runtime
	unit Unit
	reg  *discovery.Registration

	// Of the goroutine that has the instance.
	next   stage // what follows the part of the runner that is being called
	result error // what that part returned

	mu        sync.Mutex
	state     State
	since     time.Time
	failures  int
	failed    *failure // the last one
	entries   int      // how often it has entered the queue
	queued    bool     // it waits there
	candidate *election.Candidate
	run       *run
	ended     bool
	halt      *halt
	quit      chan struct{} // closed with halt, made by who waits for it
}

// A halt is a unit that is told to stop.
type halt struct {
	reason error
	remove bool          // it is uninstalled
	stuck  chan struct{} // closed when the runner has outlasted its budget
	done   chan struct{} // closed when the unit has stopped
}

type failure struct {
	err error
	at  time.Time
}

func newInstance(rt *Runtime, u Unit) *instance {
	return &instance{rt: rt, unit: u, state: Init, since: time.Now()}
}

// register makes the unit known to the cluster.
func (in *instance) register(d *discovery.Discovery) (err error) {
	u := discovery.Unit{Kind: discovery.Worker, Name: in.unit.name, Alias: in.unit.alias, Labels: in.unit.labels}
	if in.unit.kind == service {
		u.Kind = discovery.Service
	}
	in.reg, err = d.Register(u)
	return err
}

// stop tells the unit to stop, and returns at once. Being told again changes no more than that it is removed.
func (in *instance) stop(reason error, remove bool) *halt {
	in.mu.Lock()
	defer in.mu.Unlock()
	if h := in.halt; h != nil {
		h.remove = h.remove || remove
		return h
	}
	h := &halt{reason: reason, remove: remove, stuck: make(chan struct{}), done: make(chan struct{})}
	in.halt = h
	if in.quit != nil {
		close(in.quit)
	}
	switch {
	case in.ended:
		in.rt.live.Go(func() { in.live((*instance).stopped) })
	case in.queued:
		in.queued = false
		in.rt.live.Go(func() { in.live((*instance).leaving) })
	case in.run != nil:
		in.run.tell(h)
		in.run.end(reason)
	}
	return h
}

// elected begins a term. It is called once for each entry, on a goroutine of the election's.
func (in *instance) elected(entry int, t election.Term) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.queued || in.entries != entry {
		return // it has left meanwhile, and by that ends the term
	}
	in.queued = false
	in.begin(t)
	in.rt.live.Go(func() { in.live((*instance).starting) })
}

// await waits, and says whether the unit is to go on.
func (in *instance) await(done <-chan struct{}, d time.Duration) bool {
	quit := in.quitting()
	var over <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		over = t.C
	}
	select {
	case <-done:
		return true
	case <-over:
		return true
	case <-quit:
		return false
	}
}

func (in *instance) quitting() <-chan struct{} {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.quit == nil {
		in.quit = make(chan struct{})
		if in.halt != nil {
			close(in.quit)
		}
	}
	return in.quit
}

// The functions below need mu.

// set changes the state, and tells the cluster.
func (in *instance) set(s State) {
	if in.state != s {
		in.state, in.since = s, time.Now()
	}
	var token uint64
	if in.run != nil {
		token = in.run.term.Token()
	}
	in.reg.Set(s, token)
}

// fail notes what went wrong in the runner.
func (in *instance) fail(err error) {
	in.failures++
	in.failed = &failure{err: err, at: time.Now()}
}
