package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// bare is a client without any election: it creates as many keys on a lease, and watches all of them. What it counts as ready is,
// in the first process, the keys it has created, and in the others the deletes that the watch has shown. It is what nothing on
// this store can be faster than, one transaction for each key.
//
// What ends with the lease is what ends with a session of this library's: behind each of these keys there is another, out of sight of
// the watch and written when all that are counted have been, as the record of a unit is behind its candidate.
type bare struct {
	client *clientv3.Client
	role   role
	count  *tally
	lease  clientv3.LeaseID
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

func newBare(client *clientv3.Client, r role, count *tally) (node, error) {
	return &bare{client: client, role: r, count: count}, nil
}

func (b *bare) open(ctx context.Context) error {
	lease, err := b.client.Grant(ctx, int64(b.role.TTL.Seconds()))
	if err != nil {
		return err
	}
	b.lease = lease.ID
	ctx, b.cancel = context.WithCancel(context.WithoutCancel(ctx))
	alive, err := b.client.KeepAlive(ctx, b.lease)
	if err != nil {
		return err
	}
	b.wg.Go(func() {
		for range alive { // a channel that nobody reads is logged about
		}
	})
	events := b.client.Watch(ctx, bareQueues, clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	<-events
	b.wg.Go(func() { b.watch(events) })
	return nil
}

// watch counts deletes.
func (b *bare) watch(events clientv3.WatchChan) {
	for r := range events {
		for _, e := range r.Events {
			if e.Type == clientv3.EventTypeDelete && b.role.Index > 0 {
				b.count.add(1)
			}
		}
	}
}

func (b *bare) start(ctx context.Context) error {
	err := crowd(ctx, b.role.Units, func(ctx context.Context, i int) error {
		key := b.candidate(i)
		_, err := b.client.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).
			Then(clientv3.OpPut(key, "candidate", clientv3.WithLease(b.lease))).Commit()
		if err == nil && b.role.Index == 0 {
			b.count.add(1)
		}
		return err
	})
	if err != nil {
		return err
	}
	return crowd(ctx, b.role.Units, func(ctx context.Context, i int) error {
		key := fmt.Sprintf("%s/worker/%s/%d", prefix, unitName(i), b.role.Index)
		_, err := b.client.Put(ctx, key, "record", clientv3.WithLease(b.lease))
		return err
	})
}

// bareQueues is where the keys are that are watched.
const bareQueues = prefix + "/election/"

func (b *bare) candidate(i int) string {
	return fmt.Sprintf("%s%s/%d", bareQueues, unitName(i), b.role.Index)
}

func (b *bare) change(ctx context.Context, times int) error {
	key := b.candidate(b.role.Units - 1)
	for range times {
		if _, err := b.client.Delete(ctx, key); err != nil {
			return err
		}
		if _, err := b.client.Put(ctx, key, "candidate", clientv3.WithLease(b.lease)); err != nil {
			return err
		}
	}
	return nil
}

func (b *bare) stop(ctx context.Context) error {
	if b.cancel == nil {
		return nil
	}
	b.cancel()
	b.wg.Wait()
	_, err := b.client.Revoke(ctx, b.lease)
	if errors.Is(err, rpctypes.ErrLeaseNotFound) {
		return nil // it was revoked to see what comes of it
	}
	return err
}

// crowd does n things, many at once. The first error ends it.
func crowd(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(n, atOnce) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := do(ctx, i); err != nil {
					stop(err)
				}
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
