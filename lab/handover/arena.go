package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"

	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/engine/etcdengine"
)

// A candidate waits for leadership, and returns how to resign.
type candidate interface {
	campaign(ctx context.Context) (resign func(context.Context) error, err error)
	close() error
}

// An arena is one election, with candidates that queue again as soon as they have resigned.
type arena struct {
	client *clientv3.Client // that of a bystander
	queue  string           // the keys of the candidates
	size   int
	all    []candidate
	cancel context.CancelFunc
	wg     sync.WaitGroup
	won    chan win
	leader win
}

// A win is a candidate that leads, and since when it knows.
type win struct {
	at     time.Time
	resign func(context.Context) error
	again  chan struct{} // closed to let it queue again
	err    error
}

// newArena opens the candidates, and returns when all stand in the queue.
func newArena(ctx context.Context, bystander *clientv3.Client, queue string, n int, open func() (candidate, error)) (*arena, error) {
	a := &arena{client: bystander, queue: queue, size: n, won: make(chan win, n)}
	ctx, a.cancel = context.WithCancel(ctx)
	for range n {
		c, err := open()
		if err != nil {
			return nil, errors.Join(err, a.close())
		}
		a.all = append(a.all, c)
		a.wg.Go(func() { a.stand(ctx, c) })
	}
	if err := a.next(ctx); err != nil {
		return nil, errors.Join(err, a.close())
	}
	return a, nil
}

// stand campaigns again and again.
func (a *arena) stand(ctx context.Context, c candidate) {
	for {
		resign, err := c.campaign(ctx)
		w := win{at: time.Now(), resign: resign, again: make(chan struct{}), err: err}
		if ctx.Err() == nil {
			a.won <- w
		}
		if err != nil {
			return
		}
		select {
		case <-w.again:
		case <-ctx.Done():
			a.leave(context.WithoutCancel(ctx), resign)
			return
		}
	}
}

// leave resigns at the end. A failure shows when the candidate is closed.
func (a *arena) leave(ctx context.Context, resign func(context.Context) error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_ = resign(ctx)
}

// round measures one hand-over.
func (a *arena) round(ctx context.Context) (time.Duration, error) {
	old, begun := a.leader, time.Now()
	if err := old.resign(ctx); err != nil {
		return 0, err
	}
	err := a.nextAfter(ctx, old)
	return a.leader.at.Sub(begun), err
}

func (a *arena) nextAfter(ctx context.Context, old win) error {
	if err := a.takeWin(ctx); err != nil {
		return err
	}
	close(old.again)
	return a.settle(ctx)
}

func (a *arena) next(ctx context.Context) error {
	if err := a.takeWin(ctx); err != nil {
		return err
	}
	return a.settle(ctx)
}

func (a *arena) takeWin(ctx context.Context) error {
	select {
	case a.leader = <-a.won:
		return a.leader.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// settle waits until all stand in the queue, which nothing but the store tells.
func (a *arena) settle(ctx context.Context) error {
	for {
		r, err := a.client.Get(ctx, a.queue, clientv3.WithPrefix(), clientv3.WithCountOnly())
		if err != nil || r.Count == int64(a.size) {
			return err
		}
	}
}

func (a *arena) close() error {
	a.cancel()
	a.wg.Wait()
	var errs []error
	for _, c := range a.all {
		errs = append(errs, c.close())
	}
	return errors.Join(append(errs, a.client.Close())...)
}

// ours is a candidate of this project.
type ours struct {
	client *clientv3.Client
	d      *discovery.Discovery
}

func openOurs(client *clientv3.Client, prefix string) (candidate, error) {
	d, err := discovery.Open(etcdengine.New(client), discovery.Config{Prefix: prefix})
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return &ours{client, d}, nil
}

func (o *ours) campaign(ctx context.Context) (func(context.Context) error, error) {
	term, err := o.d.Election("handover").Campaign(ctx)
	return term.Resign, err
}

func (o *ours) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return errors.Join(o.d.Close(ctx), o.client.Close())
}

// stock is a candidate of etcd's concurrency package, used as its documentation says.
type stock struct {
	client  *clientv3.Client
	session *concurrency.Session
	e       *concurrency.Election
}

func openStock(client *clientv3.Client, prefix string) (candidate, error) {
	s, err := concurrency.NewSession(client)
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return &stock{client, s, concurrency.NewElection(s, prefix)}, nil
}

func (s *stock) campaign(ctx context.Context) (func(context.Context) error, error) {
	if err := s.e.Campaign(ctx, "candidate"); err != nil {
		return nil, fmt.Errorf("concurrency: %w", err)
	}
	return s.e.Resign, nil
}

func (s *stock) close() error { return errors.Join(s.session.Close(), s.client.Close()) }
