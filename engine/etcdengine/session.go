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
	engine *Engine
	id     clientv3.LeaseID
	ttl    time.Duration
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
	resp, err := s.keepAlive(ctx)
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
// and for as long as ctx lasts; here one call is one request, and the caller decides what follows a failure.
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
	resp, err := s.engine.commit(ctx,
		clientv3.Compare(clientv3.CreateRevision(key), "=", 0),
		[]clientv3.Op{clientv3.OpPut(key, string(value), clientv3.WithLease(s.id))},
		[]clientv3.Op{clientv3.OpGet(key)})
	if isLeaseGone(err) {
		return engine.Record{}, s.lost(ctx, what)
	}
	if err != nil {
		return engine.Record{}, failure(ctx, what, err)
	}
	s.engine.readable.Store(&key)
	if !resp.Succeeded {
		present := record(resp.Responses[0].GetResponseRange().Kvs[0])
		return present, fmt.Errorf("%s: %w", what, engine.ErrExists)
	}
	return engine.Record{Key: key, Value: bytes.Clone(value), Session: s.ID(), Created: uint64(resp.Header.Revision)}, nil
}

// Replace puts the key again under its own lease, which the answer's previous value names: r need not say its session, and a
// read that leaves values out leaves leases out too.
func (s *session) Replace(ctx context.Context, r engine.Record, value []byte) (engine.Record, error) {
	what := fmt.Sprintf("replace %s of revision %d", r.Key, r.Created)
	resp, err := s.engine.commit(ctx, exactly(r), []clientv3.Op{
		clientv3.OpPut(r.Key, string(value), clientv3.WithIgnoreLease(), clientv3.WithPrevKV()),
	}, nil)
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
	_, err := s.engine.commit(ctx, exactly(r), []clientv3.Op{clientv3.OpDelete(r.Key)}, nil)
	if err != nil {
		return failure(ctx, fmt.Sprintf("delete %s of revision %d", r.Key, r.Created), err)
	}
	return nil
}

// Close revokes the lease.
func (s *session) Close(ctx context.Context) error { return s.engine.revoke(ctx, s.id) }

// commit runs one transaction.
func (e *Engine) commit(ctx context.Context, when clientv3.Cmp, then, otherwise []clientv3.Op) (*clientv3.TxnResponse, error) {
	asked, err := e.store.ask()
	if err != nil {
		return nil, err
	}
	resp, err := e.kv.Txn(ctx).If(when).Then(then...).Else(otherwise...).Commit()
	if err != nil {
		return nil, err
	}
	return resp, e.store.answered(asked, resp.Header)
}

// exactly is the condition that r is still there.
func exactly(r engine.Record) clientv3.Cmp {
	return clientv3.Compare(clientv3.CreateRevision(r.Key), "=", int64(r.Created))
}

func record(kv *mvccpb.KeyValue) engine.Record {
	return engine.Record{
		Key:     string(kv.Key),
		Value:   kv.Value,
		Session: sessionID(kv.Lease),
		Created: uint64(kv.CreateRevision),
	}
}
