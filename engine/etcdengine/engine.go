package etcdengine

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"

	"github.com/singleton-go/singleton/engine"
)

// An Engine is one process's way to an etcd cluster. It is safe for concurrent use, holds nothing that must be closed, and
// also is an [engine.Ender].
type Engine struct {
	conn    *grpc.ClientConn
	kv      clientv3.KV
	leases  clientv3.Lease
	renewer pb.LeaseClient
	watcher pb.WatchClient
	store   store

	// readable is a key that this client has been allowed to use before; the reads that ask for nothing but the revision ask
	// for this one, since etcd checks permissions by key.
	readable atomic.Pointer[string]
}

var (
	_ engine.Engine = (*Engine)(nil)
	_ engine.Ender  = (*Engine)(nil)
)

// New returns an engine on the cluster that client is connected to. The client stays the caller's: it must be open for as
// long as the engine is used, and is closed after it.
func New(client *clientv3.Client) *Engine {
	conn := client.ActiveConnection()
	return &Engine{
		conn:    conn,
		kv:      clientv3.NewKV(client),
		leases:  clientv3.NewLease(client),
		renewer: clientv3.RetryLeaseClient(client),
		watcher: pb.NewWatchClient(conn),
	}
}

// Open grants a lease. The TTL is rounded up to whole seconds, and the server may grant more.
func (e *Engine) Open(ctx context.Context, o engine.SessionOptions) (engine.Session, error) {
	if o.TTL <= 0 {
		return nil, fmt.Errorf("open session: TTL must be above 0, not %v", o.TTL)
	}
	asked, err := e.store.ask()
	if err != nil {
		return nil, fmt.Errorf("open session: %w", err)
	}
	e.reconnect()
	resp, err := e.leases.Grant(ctx, wholeSeconds(o.TTL))
	if err != nil {
		return nil, failure(ctx, "open session", err)
	}
	if err := e.store.answered(asked, resp.ResponseHeader); err != nil {
		return nil, fmt.Errorf("open session: %w", err)
	}
	return &session{
		engine: e, id: resp.ID, ttl: time.Duration(resp.TTL) * time.Second, creations: newCombiner(e, resp.ID),
	}, nil
}

// wholeSeconds rounds up.
func wholeSeconds(d time.Duration) int64 {
	n := int64(d / time.Second)
	if d%time.Second > 0 {
		n++
	}
	return n
}

// End revokes the lease with this id, which any process may have been granted.
func (e *Engine) End(ctx context.Context, sessionID string) error {
	id, err := strconv.ParseInt(sessionID, 16, 64)
	if err != nil {
		return fmt.Errorf("end session: %q is no lease id in hex", sessionID)
	}
	return e.revoke(ctx, clientv3.LeaseID(id))
}

func (e *Engine) revoke(ctx context.Context, id clientv3.LeaseID) error {
	asked, err := e.store.ask()
	if err != nil {
		return fmt.Errorf("end session %x: %w", id, err)
	}
	e.reconnect()
	resp, err := insist(ctx, patienceOf(ctx), func(ctx context.Context) (*clientv3.LeaseRevokeResponse, error) {
		return e.leases.Revoke(ctx, id)
	})
	switch {
	case isLeaseGone(err):
		return nil
	case err != nil:
		return failure(ctx, fmt.Sprintf("end session %x", id), err)
	}
	if err := e.store.answered(asked, resp.Header); err != nil {
		return fmt.Errorf("end session %x: %w", id, err)
	}
	return nil
}

// check finds out how far the store is, by a read that a quorum agrees on. It fails with [engine.ErrRewound] where that is
// not far enough, and tells the watches otherwise. The key stands for nothing but the permission to read it.
func (e *Engine) check(ctx context.Context, key string) error {
	asked, err := e.store.ask()
	if err != nil {
		return err
	}
	resp, err := e.get(ctx, patienceOf(ctx), key, clientv3.WithCountOnly())
	if err != nil {
		return err
	}
	if err := e.store.answered(asked, resp.Header); err != nil {
		return err
	}
	e.store.prove(proof{asOf: asked.at, revision: resp.Header.Revision})
	return nil
}

func (e *Engine) get(
	ctx context.Context, patience time.Duration, key string, options ...clientv3.OpOption,
) (*clientv3.GetResponse, error) {
	return insist(ctx, patience, func(ctx context.Context) (*clientv3.GetResponse, error) {
		return e.kv.Get(ctx, key, options...)
	})
}

// readableKey is a key that check may be called with.
func (e *Engine) readableKey() string {
	if key := e.readable.Load(); key != nil {
		return *key
	}
	return "singleton"
}

// reconnect makes a connection that is waiting for its next attempt try now. The waits of a client grow to two minutes after
// a long outage: a session would be lost long after the store is back.
func (e *Engine) reconnect() {
	if e.conn.GetState() == connectivity.TransientFailure {
		e.conn.ResetConnectBackoff()
	}
}
