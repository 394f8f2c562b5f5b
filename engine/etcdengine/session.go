package etcdengine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"github.com/singleton-go/singleton/engine"
)

// A session is a lease. All its state is in the store.
type session struct {
	engine    *Engine
	id        clientv3.LeaseID
	ttl       time.Duration
	creations *combiner
}

func (s *session) ID() string         { return sessionID(int64(s.id)) }
func (s *session) TTL() time.Duration { return s.ttl }

// sessionID writes a lease's id as etcd's own recipes do. A key without a lease has no session.
func sessionID(lease int64) string {
	if lease == 0 {
		return ""
	}
	return strconv.FormatInt(lease, 16)
}

// Renew renews first and asks for the revision after that: were it the other way round, the store could be replaced in
// between, and the renewal be one of the wrong store.
func (s *session) Renew(ctx context.Context) error {
	what := "renew session " + s.ID()
	e := s.engine
	if _, err := e.store.ask(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	e.reconnect()
	resp, err := insist(ctx, patienceOf(ctx), s.keepAlive)
	if err != nil {
		return failure(ctx, what, err)
	}
	if err := e.store.heard(resp.GetHeader()); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if resp.GetTTL() <= 0 {
		return s.lost(ctx, what)
	}
	if err := e.check(ctx, e.readableKey()); err != nil {
		return failure(ctx, what, err)
	}
	return nil
}

// keepAlive sends one renewal and waits for its answer. The client's KeepAliveOnce would try again by itself, without a pause
// and for as long as ctx lasts.
func (s *session) keepAlive(ctx context.Context) (*pb.LeaseKeepAliveResponse, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop() // ends the stream
	stream, err := s.engine.renewer.LeaseKeepAlive(ctx, grpc.WaitForReady(true))
	if err != nil {
		return nil, err
	}
	err = stream.Send(&pb.LeaseKeepAliveRequest{ID: int64(s.id)})
	if err != nil && !errors.Is(err, io.EOF) { // io.EOF says that Recv knows why
		return nil, err
	}
	return stream.Recv()
}

// lost finds out what the loss of the lease means: a store that went back may never have known it.
func (s *session) lost(ctx context.Context, what string) error {
	if err := s.engine.check(ctx, s.engine.readableKey()); errors.Is(err, engine.ErrRewound) {
		return fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Errorf("%s: %w", what, engine.ErrLost)
}

// Create puts the key if there is none.
func (s *session) Create(ctx context.Context, key string, value []byte) (engine.Record, error) {
	what := "create " + key + " for session " + s.ID()
	present, revision, err := s.creations.create(ctx, key, value)
	if isLeaseGone(err) {
		return engine.Record{}, s.lost(ctx, what)
	}
	if err != nil {
		return engine.Record{}, failure(ctx, what, err)
	}
	s.engine.readable.Store(&key)
	if present != nil {
		return record(present), fmt.Errorf("%s: %w", what, engine.ErrExists)
	}
	return engine.Record{Key: key, Value: bytes.Clone(value), Session: s.ID(), Created: uint64(revision)}, nil
}

// Replace puts the key again under its own lease, which the answer's previous value names: r need not say its session, and a
// read that leaves values out leaves leases out too.
func (s *session) Replace(ctx context.Context, r engine.Record, value []byte) (engine.Record, error) {
	what := fmt.Sprintf("replace %s of revision %d", r.Key, r.Created)
	resp, err := s.engine.commit(ctx, whileThere(r,
		clientv3.OpPut(r.Key, string(value), clientv3.WithIgnoreLease(), clientv3.WithPrevKV())))
	if err != nil {
		return engine.Record{}, failure(ctx, what, err)
	}
	if !resp.Succeeded {
		return engine.Record{}, fmt.Errorf("%s: %w", what, engine.ErrGone)
	}
	replaced := record(resp.Responses[0].GetResponsePut().PrevKv)
	replaced.Value = bytes.Clone(value)
	return replaced, nil
}

// Delete deletes the key while it is still the one of that revision.
func (s *session) Delete(ctx context.Context, r engine.Record) error {
	_, err := insist(ctx, patienceOf(ctx), func(ctx context.Context) (*clientv3.TxnResponse, error) {
		return s.engine.commit(ctx, whileThere(r, clientv3.OpDelete(r.Key)))
	})
	if err != nil {
		return failure(ctx, fmt.Sprintf("delete %s of revision %d", r.Key, r.Created), err)
	}
	return nil
}

// Close revokes the lease.
func (s *session) Close(ctx context.Context) error { return s.engine.revoke(ctx, s.id) }

// commit runs one transaction.
func (e *Engine) commit(ctx context.Context, txn clientv3.Op) (*clientv3.TxnResponse, error) {
	asked, err := e.store.ask()
	if err != nil {
		return nil, err
	}
	resp, err := e.kv.Do(ctx, txn)
	if err != nil {
		return nil, err
	}
	return resp.Txn(), e.store.answered(asked, resp.Txn().Header)
}

// whileThere is a transaction that does op if exactly r is still there.
func whileThere(r engine.Record, op clientv3.Op) clientv3.Op {
	there := clientv3.Compare(clientv3.CreateRevision(r.Key), "=", int64(r.Created))
	return clientv3.OpTxn([]clientv3.Cmp{there}, []clientv3.Op{op}, nil)
}

func record(kv *mvccpb.KeyValue) engine.Record {
	return engine.Record{
		Key:     string(kv.Key),
		Value:   kv.Value,
		Session: sessionID(kv.Lease),
		Created: uint64(kv.CreateRevision),
	}
}
