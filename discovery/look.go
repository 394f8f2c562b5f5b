package discovery

import (
	"context"
	"errors"
	"iter"
)

// Cluster returns what this process knows of the cluster; it waits until it knows anything, until ctx ends. After
// [Discovery.Close] the error is [election.ErrClosed].
func (d *Discovery) Cluster(ctx context.Context) (Cluster, error) {
	return Cluster{}, errors.New("not yet")
}

// Observe yields the cluster, at once and after every change, until ctx ends or the loop is left. A reader that is slow
// misses what was between, never the latest, and holds up nobody. The error, [election.ErrClosed], is the last thing that is
// yielded.
func (d *Discovery) Observe(ctx context.Context) iter.Seq2[Cluster, error] {
	return func(yield func(Cluster, error) bool) { yield(Cluster{}, errors.New("not yet")) }
}
