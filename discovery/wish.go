package discovery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/singleton-go/singleton/election"
	"github.com/singleton-go/singleton/internal/names"
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
// [election.Election.Ask] for the errors. Any process may ask; an observer opens a session for it.
func (d *Discovery) Resign(ctx context.Context, electionName string) error {
	return d.Election(electionName).Ask(ctx, election.Wish{})
}

// Transfer asks the leader of an election to hand over to a node that waits in it, and waits for the outcome. The node is
// named by its ID, by its name where only one node has it, or as "name/PID". Any process may ask; an observer opens a session
// for it.
//
// Beside the errors of [election.Election.Ask] it returns [ErrUnknownNode], [ErrAmbiguous] and [ErrNotWaiting], and
// [election.ErrRefused] where the node leads already, or where candidates ahead of it don't make way, as those of other
// libraries.
func (d *Discovery) Transfer(ctx context.Context, electionName, toNode string) error {
	if err := names.CheckElection(electionName); err != nil {
		return err
	}
	c, err := d.Cluster(ctx)
	if err != nil {
		return err
	}
	session, err := c.wanted(electionName, toNode)
	if err != nil {
		return fmt.Errorf("transfer %s to %q: %w", electionName, toNode, err)
	}
	return d.Election(electionName).Ask(ctx, election.Wish{To: session})
}

// wanted returns the session of the candidate that a wish is for.
func (c Cluster) wanted(electionName, toNode string) (session string, err error) {
	node, err := c.find(toNode)
	if err != nil {
		return "", err
	}
	e, ok := c.Election(electionName)
	if !ok {
		return "", election.ErrVacant
	}
	if e.Leader.NodeID == node.ID {
		return "", fmt.Errorf("%w: it leads already", election.ErrRefused)
	}
	i := slices.IndexFunc(e.Waiting, func(w Candidate) bool { return w.NodeID == node.ID })
	if i < 0 {
		return "", ErrNotWaiting
	}
	if stay := c.foreign(e.Waiting[:i]); len(stay) > 0 {
		return "", fmt.Errorf("%w: candidates that don't make way are ahead of it: %s", election.ErrRefused,
			strings.Join(stay, ", "))
	}
	return e.Waiting[i].Session, nil
}

// find returns the node that a person means.
func (c Cluster) find(name string) (Node, error) {
	if n, ok := c.Node(name); ok {
		return n, nil
	}
	var found []Node
	var list []string
	for _, n := range c.Nodes {
		if n.Name == name || n.String() == name {
			found = append(found, n)
			list = append(list, fmt.Sprintf("%s (%s)", n, n.ID))
		}
	}
	switch len(found) {
	case 0:
		return Node{}, ErrUnknownNode
	case 1:
		return found[0], nil
	}
	return Node{}, fmt.Errorf("%w: %s", ErrAmbiguous, strings.Join(list, ", "))
}

// foreign names the candidates that don't follow wishes: those whose session has no node.
func (c Cluster) foreign(candidates []Candidate) (list []string) {
	for _, w := range candidates {
		if !slices.ContainsFunc(c.Nodes, func(n Node) bool { return n.Session == w.Session }) {
			list = append(list, fmt.Sprintf("%q (session %s%s)", w.ID, w.Session, w.of()))
		}
	}
	return list
}

func (w Candidate) of() string {
	if w.Node == "" {
		return ""
	}
	return " of node " + w.Node
}
