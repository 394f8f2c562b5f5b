package peers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// leases is what an API server would call the records.
var leases = schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}

// A lock keeps client-go's record under one key of etcd: what an API server does with a Lease, with etcd's own revisions in the place
// of its resource versions. It belongs to one elector, which calls it from one goroutine.
type lock struct {
	client  *clientv3.Client
	key     string
	id      string
	timeout time.Duration // of one call

	seen  int64        // the revision of the record as it was read or written last
	token atomic.Int64 // the revision of the first write, which is the one that took the lock; read by the term
}

var _ resourcelock.Interface = (*lock)(nil)

// Get returns the record, and the bytes by which an elector tells whether it was renewed. A Lease's bytes have its time of renewal in
// whole seconds, by which a renewal every quarter of a second would go unseen; these have the revision as well.
func (l *lock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	resp, err := l.client.Get(ctx, l.key)
	if err != nil {
		return nil, nil, err
	}
	if len(resp.Kvs) == 0 {
		return nil, nil, apierrors.NewNotFound(leases, l.key)
	}
	kv, record := resp.Kvs[0], resourcelock.LeaderElectionRecord{}
	if err := json.Unmarshal(kv.Value, &record); err != nil {
		return nil, nil, fmt.Errorf("record %s: %w", l.key, err)
	}
	l.seen = kv.ModRevision
	return &record, fmt.Appendf(kv.Value, "@%d", kv.ModRevision), nil
}

// Create writes the first record.
func (l *lock) Create(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	ok, err := l.write(ctx, r, 0)
	if err == nil && !ok {
		err = apierrors.NewAlreadyExists(leases, l.key)
	}
	return err
}

// Update writes the record if it still is the one that was read or written last.
func (l *lock) Update(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	if l.seen == 0 {
		return errors.New("update before the record was read or created")
	}
	ok, err := l.write(ctx, r, l.seen)
	if err == nil && !ok {
		err = apierrors.NewConflict(leases, l.key, errors.New("it was changed meanwhile"))
	}
	return err
}

// write puts the record in the place of the one with this revision.
func (l *lock) write(ctx context.Context, r resourcelock.LeaderElectionRecord, revision int64) (bool, error) {
	value, err := json.Marshal(r)
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	resp, err := l.client.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(l.key), "=", revision)).
		Then(clientv3.OpPut(l.key, string(value))).Commit()
	if err != nil || !resp.Succeeded {
		return false, err
	}
	l.seen = resp.Header.Revision
	l.token.CompareAndSwap(0, l.seen)
	return true, nil
}

// RecordEvent does nothing: events are for people who look at a Kubernetes cluster.
func (l *lock) RecordEvent(string) {}

// Identity returns who writes the record.
func (l *lock) Identity() string { return l.id }

// Describe names the record.
func (l *lock) Describe() string { return l.key }
