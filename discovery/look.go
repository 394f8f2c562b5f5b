package discovery

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/singleton-go/singleton/election"
)

// Cluster returns what this process knows of the cluster, and waits until that is something. When ctx ends first it returns
// the cause; other errors are those of [Discovery.Observe].
func (d *Discovery) Cluster(ctx context.Context) (Cluster, error) {
	for c, err := range d.Observe(ctx) {
		return c, err
	}
	return Cluster{}, fmt.Errorf("look at the cluster: %w", context.Cause(ctx))
}

// Observe yields the cluster, at once and after every change, until ctx ends or the loop is left. A reader that is slow
// misses what was between, never the latest, and holds up nobody. While the cluster changes all the time, a reader gets as
// many of its states as a tenth of one processor can put together. An error is the last thing that is yielded:
// [election.ErrClosed], or package engine's ErrRewound when the store is not the one that it was.
func (d *Discovery) Observe(ctx context.Context) iter.Seq2[Cluster, error] {
	return func(yield func(Cluster, error) bool) {
		err := d.observe(ctx, func(c Cluster) bool { return yield(c, nil) })
		if err != nil {
			yield(Cluster{}, fmt.Errorf("observe the cluster: %w", err))
		}
	}
}

// observe returns nil when yield has returned false or ctx has ended.
func (d *Discovery) observe(ctx context.Context, yield func(Cluster) bool) error {
	l, err := d.registry.look("") //nolint:contextcheck // what all who look share ends with none of their contexts
	if err != nil {
		return err
	}
	defer l.leave()
	rest := time.NewTimer(0)
	defer rest.Stop()
	for {
		begun := time.Now()
		c, loaded := d.cluster()
		rest.Reset(min(9*time.Since(begun), time.Second))
		if loaded && !yield(c) {
			return nil
		}
		if on, err := await(ctx, d, l.changed); !on {
			return err
		}
		if on, err := await(ctx, d, rest.C); !on {
			return err
		}
	}
}

// await says whether it has received. The error is nil where ctx has ended.
func await[T any](ctx context.Context, d *Discovery, ch <-chan T) (bool, error) {
	select {
	case <-ch:
		return true, nil
	case <-ctx.Done():
		return false, nil
	case <-d.lease.GivenUp():
		return false, d.lease.Over()
	case <-d.lease.Closed():
		return false, election.ErrClosed
	}
}
