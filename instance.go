package singleton

import (
	"sync"
	"time"

	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/election"
)

// An instance is a unit of this process on its way through its life. While it waits in the queue it has no goroutine; at any
// other time one goroutine has it, see live. Its mutex is held for moments only, and orders what others see. There may be very
// many that wait, so what those don't need is behind a pointer.
type instance struct {
	rt   *Runtime
	name string // in full; one string for all who keep it
	unit Unit
	reg  *discovery.Registration

	mu        sync.Mutex
	held      bool // it is kept out of the queue, for a head start of others or for ever
	queued    bool // it waits in the queue
	ended     bool // it has stopped, for now or for good
	state     State
	since     time.Duration // when it came into this state, since the runtime was made
	candidate *election.Candidate
	run       *run     // from the beginning of a term to its end
	trouble   *trouble // nil until it fails
	halt      *halt
}

// A halt is a unit that is told to stop.
type halt struct {
	reason error
	remove bool          // it is uninstalled
	stuck  chan struct{} // closed when the runner has outlasted its budget
	done   chan struct{} // closed when the unit has stopped
}

// trouble is what went wrong with a unit.
type trouble struct {
	failures int
	err      error // the last one
	at       time.Time
	backoff  backoff
	quit     chan struct{} // closed with halt
}

func newInstance(rt *Runtime, u Unit) *instance {
	return &instance{rt: rt, name: u.String(), unit: u, state: Init, since: time.Since(rt.began)}
}

// register makes the unit known to the cluster.
func (in *instance) register(d *discovery.Discovery) (err error) {
	in.reg, err = d.Register(in.unit.registered())
	return err
}

// enter begins the unit's life. It has no goroutine before it needs one: each that there ever was leaves something behind.
func (in *instance) enter() {
	if next := in.pending(); next != nil {
		in.goes(next)
	}
}

// goes gives the instance a goroutine, which begins at this stage.
func (in *instance) goes(at stage) {
	in.rt.live.Go(func() { in.live(at) })
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
	if in.trouble != nil {
		close(in.trouble.quit)
	}
	switch {
	case in.ended:
		in.goes((*instance).stopped)
	case in.held:
		in.held = false
		in.goes((*instance).stopped)
	case in.queued:
		in.queued = false
		in.goes((*instance).leaving)
	case in.run != nil:
		in.run.tell(h)
		in.run.end(reason)
	}
	return h
}

// elected begins a term. It is called once for each candidate, on a goroutine of the election's, for one unit after the other.
func (in *instance) elected(t election.Term) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.queued {
		return // it was told to stop meanwhile; leaving ends the term
	}
	in.queued = false
	in.goes(func(in *instance) stage { return in.beginning(t) })
}

// The functions below need mu.

// set changes the state, and tells the cluster.
func (in *instance) set(s State) {
	if in.state != s {
		in.state, in.since = s, time.Since(in.rt.began)
	}
	var token uint64
	if in.run != nil {
		token = in.run.term.Token()
	}
	in.reg.Set(s, token)
}

// fail notes what went wrong in the runner.
func (in *instance) fail(err error) {
	if in.trouble == nil {
		in.trouble = &trouble{quit: make(chan struct{})}
		if in.halt != nil {
			close(in.trouble.quit)
		}
	}
	in.trouble.failures++
	in.trouble.err, in.trouble.at = err, time.Now()
}
