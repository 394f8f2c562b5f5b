package main

import (
	"context"
	"errors"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"

	"github.com/singleton-go/singleton/lab/peers"
)

// errNoChange says that no election of a peer can be left and entered by itself here.
var errNoChange = errors.New("change: not measured for this kind")

// sessions are the elections of etcd's client on one session, as its documentation advises for many. When the session is over
// all elections begin again on a new one.
type sessions struct {
	client *clientv3.Client
	role   role
	count  *tally
	first  *concurrency.Session
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

func newSessions(client *clientv3.Client, r role, count *tally) (node, error) {
	return &sessions{client: client, role: r, count: count}, nil
}

func (s *sessions) session(ctx context.Context) (*concurrency.Session, error) {
	// The session's context is the client's: with that of the caller, Close could not revoke the lease once the caller leaves.
	lease, err := s.client.Grant(ctx, int64(s.role.TTL.Seconds()))
	if err != nil {
		return nil, err
	}
	return concurrency.NewSession(s.client, concurrency.WithTTL(int(s.role.TTL.Seconds())), concurrency.WithLease(lease.ID))
}

func (s *sessions) open(ctx context.Context) (err error) {
	s.first, err = s.session(ctx)
	return err
}

func (s *sessions) start(ctx context.Context) error {
	ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.wg.Go(func() {
		for session := s.first; ctx.Err() == nil; {
			s.campaign(ctx, session)
			session = s.again(ctx)
		}
	})
	return nil
}

// again opens a session, as soon as the store gives one.
func (s *sessions) again(ctx context.Context) *concurrency.Session {
	for ctx.Err() == nil {
		try, cancel := context.WithTimeout(ctx, s.role.TTL)
		session, err := s.session(try)
		cancel()
		if err == nil {
			return session
		}
	}
	return nil
}

// campaign takes part in all elections until the session is over.
func (s *sessions) campaign(ctx context.Context, session *concurrency.Session) {
	alive, end := context.WithCancel(ctx)
	defer end()
	var wg sync.WaitGroup
	gate := make(chan struct{}, gateWidth)
	for i := range s.role.Units {
		wg.Go(func() { s.lead(alive, concurrency.NewElection(session, prefix+"/"+unitName(i)), gate) })
	}
	select {
	case <-session.Done():
	case <-ctx.Done():
		_ = session.Close() // it expires if that fails
	}
	end()
	wg.Wait()
}

// lead campaigns, and leads until ctx ends. The gate bounds how many begin at the same time, since etcd refuses a crowd.
func (s *sessions) lead(ctx context.Context, e *concurrency.Election, gate chan struct{}) {
	for ctx.Err() == nil {
		select {
		case gate <- struct{}{}:
		case <-ctx.Done():
			return
		}
		begun := time.AfterFunc(gateTime, func() { <-gate })
		err := e.Campaign(ctx, "candidate")
		if begun.Stop() {
			<-gate
		}
		if err == nil {
			s.count.add(1)
			<-ctx.Done()
			s.count.add(-1)
		}
	}
}

// A campaign counts as under way for so long: one that waits is in its queue long before.
const (
	gateWidth = 1000
	gateTime  = 50 * time.Millisecond
)

func (s *sessions) change(context.Context, int) error { return errNoChange }

func (s *sessions) stop(context.Context) error {
	if s.cancel == nil {
		return nil
	}
	s.cancel()
	s.wg.Wait()
	return nil
}

// electors are elections of client-go, each with a record that it writes for ever.
type electors struct {
	all    []peers.Candidate
	count  *tally
	cancel context.CancelFunc
	wg     sync.WaitGroup
	ttl    time.Duration
}

func newElectors(client *clientv3.Client, r role, count *tally) (node, error) {
	e := &electors{count: count, ttl: r.TTL}
	for i := range r.Units {
		c, err := peers.LeaderElection(client, peers.Options{Name: prefix + "/" + unitName(i), ID: unitName(r.Index), TTL: r.TTL}, true)
		if err != nil {
			return nil, err
		}
		e.all = append(e.all, c)
	}
	return e, nil
}

func (e *electors) open(context.Context) error { return nil }

func (e *electors) start(ctx context.Context) error {
	ctx, e.cancel = context.WithCancel(context.WithoutCancel(ctx))
	for _, c := range e.all {
		e.wg.Go(func() {
			for ctx.Err() == nil {
				e.lead(ctx, c)
			}
		})
	}
	return nil
}

// lead takes part once, until leadership is lost or ctx ends.
func (e *electors) lead(ctx context.Context, c peers.Candidate) {
	term, err := c.Campaign(ctx)
	if err != nil {
		return
	}
	e.count.add(1)
	select {
	case <-term.Context().Done():
	case <-ctx.Done():
	}
	e.count.add(-1)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.ttl)
	defer cancel()
	_ = term.Resign(ctx) // it expires if that fails
}

func (e *electors) change(context.Context, int) error { return errNoChange }

func (e *electors) stop(context.Context) error {
	if e.cancel == nil {
		return nil
	}
	e.cancel()
	e.wg.Wait()
	return nil
}
