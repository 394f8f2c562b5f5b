package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"

	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/election"
	"github.com/singleton-go/singleton/engine/etcdengine"
	"github.com/singleton-go/singleton/engine/etcdengine/etcdtest"
)

const (
	atOnce   = 128             // bare creations, or campaigns, under way
	together = 100             // creations in one transaction
	patience = 2 * time.Minute // for one contest
)

// A result is the median of what a contest took.
type result struct {
	Contest string  `json:"contest"`
	Seconds float64 `json:"seconds"`
	Ratio   float64 `json:"to_bare"`
	Aim     float64 `json:"aim,omitempty"`
}

// A contest creates n records under a prefix, and tells how long it took without what comes before and after.
type contest struct {
	name string
	aim  float64
	run  func(ctx context.Context, client *clientv3.Client, prefix string, n int) (time.Duration, error)
}

var contests = []contest{
	{name: "bare creations", run: bareSingly},
	{name: "bare creations, 100 in one transaction", run: bareTogether},
	{name: "singleton: elections won", run: singleton, aim: 2},
	{name: "etcd concurrency: elections won", run: concurrent},
}

// measure lets the contests take turns.
func measure(ctx context.Context, n, rounds int) (all []result, err error) {
	dir, err := os.MkdirTemp("", "singleton-lab-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	member, err := etcdtest.Start(dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, member.Close()) }()
	took := make([][]time.Duration, len(contests))
	for round := range rounds {
		for i, c := range contests {
			d, err := once(ctx, member, c, fmt.Sprintf("/elections-%d-%d", round, i), n)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			took[i] = append(took[i], d)
		}
	}
	for i, c := range contests {
		all = append(all, result{c.name, median(took[i]).Seconds(), float64(median(took[i])) / float64(median(took[0])), c.aim})
	}
	return all, nil
}

func median(d []time.Duration) time.Duration { return slices.Sorted(slices.Values(d))[len(d)/2] }

func once(ctx context.Context, m *etcdtest.Member, c contest, prefix string, n int) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	client, err := m.Client()
	if err != nil {
		return 0, err
	}
	d, err := c.run(ctx, client, prefix, n)
	return d, errors.Join(err, client.Close())
}

// create is a creation as every contest makes it.
func create(key string, lease clientv3.LeaseID) clientv3.Op {
	return clientv3.OpTxn(
		[]clientv3.Cmp{clientv3.Compare(clientv3.CreateRevision(key), "=", 0)},
		[]clientv3.Op{clientv3.OpPut(key, "candidate", clientv3.WithLease(lease))}, nil)
}

func bareSingly(ctx context.Context, client *clientv3.Client, prefix string, n int) (time.Duration, error) {
	return bare(ctx, client, n, func(first int, lease clientv3.LeaseID) clientv3.Op {
		return create(fmt.Sprintf("%s/%d/me", prefix, first), lease)
	}, 1)
}

func bareTogether(ctx context.Context, client *clientv3.Client, prefix string, n int) (time.Duration, error) {
	return bare(ctx, client, n, func(first int, lease clientv3.LeaseID) clientv3.Op {
		var ops []clientv3.Op
		for i := range min(together, n-first) {
			ops = append(ops, create(fmt.Sprintf("%s/%d/me", prefix, first+i), lease))
		}
		return clientv3.OpTxn(nil, ops, nil)
	}, together)
}

// bare does operations on one lease until n keys are there.
func bare(ctx context.Context, client *clientv3.Client, n int, op func(int, clientv3.LeaseID) clientv3.Op, each int) (time.Duration, error) {
	lease, err := client.Grant(ctx, int64(patience/time.Second))
	if err != nil {
		return 0, err
	}
	begun := time.Now()
	err = crowd(ctx, (n+each-1)/each, func(ctx context.Context, i int) error {
		_, err := client.Do(ctx, op(i*each, lease.ID))
		return err
	})
	took := time.Since(begun)
	_, revoked := client.Revoke(ctx, lease.ID)
	return took, errors.Join(err, revoked)
}

// crowd does n things, many at once: more would make the server refuse some. The first error ends it.
func crowd(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range atOnce {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := do(ctx, i); err != nil {
					stop(err)
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// singleton enters n elections and waits until it leads in all.
func singleton(ctx context.Context, client *clientv3.Client, prefix string, n int) (took time.Duration, err error) {
	d, err := discovery.Open(etcdengine.New(client), discovery.Config{Prefix: prefix})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, d.Close(ctx)) }()
	if err := ready(ctx, d); err != nil {
		return 0, err
	}
	begun := time.Now()
	won := make(chan election.Term, n)
	var candidates []*election.Candidate
	for i := range n {
		c, err := d.Election(fmt.Sprintf("e-%d", i)).Enter(ctx, func(t election.Term) { won <- t })
		if err != nil {
			return 0, err
		}
		candidates = append(candidates, c)
	}
	for range n {
		select {
		case <-won:
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
	took = time.Since(begun)
	for _, c := range candidates {
		if err := c.Leave(ctx); err != nil {
			return 0, err
		}
	}
	return took, nil
}

// ready waits until the process takes part in the cluster, as the others have their leases before they are measured.
func ready(ctx context.Context, d *discovery.Discovery) error {
	term, err := d.Election("ready").Campaign(ctx)
	if err != nil {
		return err
	}
	return term.Resign(ctx)
}

// concurrent campaigns for n elections of etcd's own package, on one session.
func concurrent(ctx context.Context, client *clientv3.Client, prefix string, n int) (took time.Duration, err error) {
	s, err := concurrency.NewSession(client)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	begun := time.Now()
	err = crowd(ctx, n, func(ctx context.Context, i int) error {
		return concurrency.NewElection(s, fmt.Sprintf("%s/%d", prefix, i)).Campaign(ctx, "candidate")
	})
	return time.Since(begun), err
}
