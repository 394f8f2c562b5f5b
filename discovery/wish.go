package discovery

import (
	"context"
	"errors"

	"github.com/singleton-go/singleton/election"
)

var (
	// ErrUnknownNode says that no node of the cluster has this name or ID.
	ErrUnknownNode = errors.New("unknown node")

	// ErrAmbiguous says that several nodes have this name; the error's text lists them.
	ErrAmbiguous = errors.New("ambiguous node")

	// ErrNotWaiting says that the node has no candidate waiting in the election.
	ErrNotWaiting = errors.New("not waiting")
)

// Resign asks the leader of an election to end its term in a planned way and to queue again, and waits for the outcome. See
// [election.Election.Ask] for the errors. Any process may ask; an observer opens its session for it.
func (d *Discovery) Resign(ctx context.Context, electionName string) error {
	return d.Election(electionName).Ask(ctx, election.Wish{})
}

// Transfer asks the leader of an election to hand over to a node that waits in it, and waits for the outcome. The node is
// named by its ID, its name where that is unique, or "name/PID".
//
// Beside the errors of [election.Election.Ask] it returns [ErrUnknownNode], [ErrAmbiguous], and [ErrNotWaiting], and
// [election.ErrRefused] where the node leads already or candidates are ahead of it that don't make way, since they are not
// of this library.
func (d *Discovery) Transfer(ctx context.Context, electionName, toNode string) error {
	return errors.New("not yet")
}
