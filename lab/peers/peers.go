// Package peers holds what others would use in this library's place, used as its documentation says, behind one small interface:
// so that one harness drives all of them, and their figures stand beside ours.
//
// [Concurrency] is the election of etcd's own client: a session with a TTL, Campaign, the work, an eye on Session.Done, Resign and
// Close. [LeaderElection] is client-go's leaderelection, which Kubernetes' own controllers use, on etcd in place of an API
// server. What each does differently from its documentation is said there; nothing is left out that would make it safer.
//
// It belongs to a module of its own, and nobody who uses the library gets these clients into a build.
package peers

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Term is one candidate's time as leader, as the peer sees it.
type Term interface {
	// Context ends when the peer says that leadership is lost.
	Context() context.Context

	// Token is a number that rises with every term: the revision of etcd at which the candidate queued (Concurrency), or that
	// of the write by which it took the lock (LeaderElection). Neither peer asks anybody to use it.
	Token() uint64

	// Resign ends the term, and what belongs to it. The work must have stopped. It is to be called for terms that were lost as
	// well, and waits for the store until ctx ends.
	Resign(ctx context.Context) error
}

// A Candidate takes part in one election.
type Candidate interface {
	// Campaign waits until this candidate leads. The term outlives ctx. After a term has been resigned, Campaign may be called
	// again; it is never called twice at the same time.
	Campaign(ctx context.Context) (Term, error)
}

// Options say who campaigns for what. All are required.
type Options struct {
	Name string        // of the election
	ID   string        // of the candidate, unique among them
	TTL  time.Duration // whole seconds: both peers count these
}

func (o Options) validate() error {
	switch {
	case o.Name == "":
		return errors.New("Name is empty")
	case o.ID == "":
		return errors.New("ID is empty")
	case o.TTL < time.Second || o.TTL%time.Second != 0:
		return fmt.Errorf("TTL %v: must be whole seconds", o.TTL)
	}
	return nil
}
