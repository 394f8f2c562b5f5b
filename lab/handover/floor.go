package main

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// A floor is what no hand-over can be faster than: one client puts a key, and the watch of another sees it.
type floor struct {
	writer *clientv3.Client
	key    string
	seen   []chan time.Time // by watching client
	all    []*clientv3.Client
	cancel context.CancelFunc
	wg     sync.WaitGroup
	n      int
}

// newFloor lets n clients watch.
func newFloor(ctx context.Context, key string, n int, dial func() (*clientv3.Client, error)) (*floor, error) {
	f := &floor{key: key}
	ctx, f.cancel = context.WithCancel(ctx)
	for range n + 1 {
		c, err := dial()
		if err != nil {
			return nil, errors.Join(err, f.close())
		}
		f.all = append(f.all, c)
	}
	f.writer = f.all[n]
	for _, c := range f.all[:n] {
		seen, events := make(chan time.Time, 1), c.Watch(clientv3.WithRequireLeader(ctx), key, clientv3.WithCreatedNotify())
		<-events
		f.seen = append(f.seen, seen)
		f.wg.Go(func() {
			for r := range events {
				at := time.Now()
				if r.Err() != nil {
					return
				}
				select {
				case seen <- at:
				case <-ctx.Done(): // after a round that failed nobody takes it
				}
			}
		})
	}
	return f, nil
}

// round measures one put, as one of the watches sees it, and waits until all have.
func (f *floor) round(ctx context.Context) (d time.Duration, err error) {
	f.n++
	begun := time.Now()
	if _, err := f.writer.Put(ctx, f.key, strconv.Itoa(f.n)); err != nil {
		return 0, err
	}
	for i, seen := range f.seen {
		select {
		case at := <-seen:
			if i == f.n%len(f.seen) {
				d = at.Sub(begun)
			}
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
	return d, nil
}

func (f *floor) close() error {
	f.cancel()
	var errs []error
	for _, c := range f.all {
		errs = append(errs, c.Close())
	}
	f.wg.Wait()
	return errors.Join(errs...)
}
