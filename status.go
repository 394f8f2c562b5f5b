package singleton

import (
	"cmp"
	"slices"
	"time"

	"github.com/singleton-go/singleton/discovery"
)

// A State is where a unit is in its life.
type State = discovery.State

// The states of a unit, as the whole cluster sees them. The package comment says how one follows the other.
const (
	Init     = discovery.Init
	Pending  = discovery.Pending
	Ready    = discovery.Ready
	Stopping = discovery.Stopping
	Stopped  = discovery.Stopped
	Error    = discovery.Error
)

// A Status is what there is to know about one unit at one moment.
type Status struct {
	Kind  string // "worker", "service" or "replica"
	Name  string
	State State
	Since time.Time // when it came into this state

	// Token is the fencing token of the term that the unit holds; 0 for none. A unit that is Pending and has a token has won,
	// and is starting.
	Token uint64

	// Stuck says that the runner was told to stop, and has not returned within its budget.
	Stuck bool

	// Failures counts how often the runner has failed or panicked.
	Failures int

	// Err is what the runner failed with last, also in Shutdown; nil if it never has. Failed is when that was, and Stack where
	// it was, if it was a panic.
	Err    error
	Failed time.Time
	Stack  string
}

// String returns the unit's full name, as in "worker/data-sync".
func (s Status) String() string { return s.Kind + "/" + s.Name }

// Status returns the status of every unit of this process, in the order of their full names. It can be called at any time,
// also after Run has returned.
func (rt *Runtime) Status() []Status {
	all := []Status{}
	for _, in := range rt.snapshot() {
		all = append(all, in.status())
	}
	slices.SortFunc(all, func(a, b Status) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	return all
}

func (in *instance) status() Status {
	in.mu.Lock()
	defer in.mu.Unlock()
	s := Status{
		Kind: in.unit.kind.String(), Name: in.unit.name, State: in.state, Since: in.rt.began.Add(in.since),
	}
	if r := in.run; r != nil {
		s.Token, s.Stuck = r.term.Token(), r.stuck
	}
	if t := in.trouble; t != nil {
		s.Failures, s.Err, s.Failed, s.Stack = t.failures, t.err, t.at, stackOf(t.err)
	}
	return s
}
