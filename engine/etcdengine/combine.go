package etcdengine

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	// mostCreations is how many creations one transaction holds at most. Etcd allows 128 operations by default, and counts those
	// of a nested transaction on top of those around it.
	mostCreations = 127

	// mostBytes is how many bytes of keys and values they have together at most. Etcd allows 1.5 MiB by default.
	mostBytes = 1 << 20

	// mostCommits is how many transactions of one session are under way at most. A creation waits for others only where there
	// are so many already.
	mostCommits = 4
)

// A combiner commits the creations of one session. Those that wait at the same time share a transaction, in which each
// stands or falls by itself: ten thousand elections are then entered in a quarter of the time.
//
// Creations of one queue never share one. All records of a transaction have its revision, and within a queue no two may have
// the same.
type combiner struct {
	engine *Engine
	lease  clientv3.LeaseID

	mu      sync.Mutex
	waiting []*creation // oldest first
	commits int         // under way
	limit   int         // how many creations a transaction may hold on this cluster
}

// A creation is a key that is to be put if there is none.
type creation struct {
	key, value string
	alone      bool          // it must not share a transaction
	batch      *batch        // what it is part of; nil while it waits for one
	left       bool          // nobody waits for it any more
	done       chan struct{} // closed when the following are set

	present  *mvccpb.KeyValue // what has the key, if it was taken
	revision int64            // of the new record, if it was not
	err      error
}

// A batch is one transaction. It is given up when nobody waits for any part of it.
type batch struct {
	creations []*creation
	wanted    int // by so many
	stop      context.CancelFunc
}

func newCombiner(e *Engine, lease clientv3.LeaseID) *combiner {
	return &combiner{engine: e, lease: lease, limit: mostCreations}
}

// create returns what became of a creation. When ctx ends first, it returns at once unless the transaction is now given up:
// then it waits for the end of that.
func (c *combiner) create(ctx context.Context, key string, value []byte) (present *mvccpb.KeyValue, revision int64, err error) {
	x := &creation{key: key, value: string(value), done: make(chan struct{})}
	c.mu.Lock()
	c.waiting = append(c.waiting, x)
	c.pump() //nolint:contextcheck // a transaction belongs to several callers
	c.mu.Unlock()
	select {
	case <-x.done:
	case <-ctx.Done():
		if !c.leave(x) {
			return nil, 0, ctx.Err()
		}
		<-x.done
	}
	return x.present, x.revision, x.err
}

// leave reports whether x is about to be done because nobody else waits for its transaction.
func (c *combiner) leave(x *creation) (last bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	x.left = true
	if x.batch == nil {
		c.waiting = slices.DeleteFunc(c.waiting, func(y *creation) bool { return x == y })
		return false
	}
	if x.batch.wanted--; x.batch.wanted > 0 {
		return false
	}
	x.batch.stop()
	return true
}

// pump starts as many transactions as may be under way. It is called with the lock held.
func (c *combiner) pump() {
	for c.commits < mostCommits && len(c.waiting) > 0 {
		ctx, stop := context.WithCancel(context.Background())
		b := c.take()
		b.stop = stop
		c.commits++
		go c.run(ctx, b) // ends when it has told those who wait for it, the last of whom does so to the end
	}
}

// take makes a batch of those that wait, as far as they may share one. It is called with the lock held.
func (c *combiner) take() *batch {
	b := &batch{}
	queues, size := map[string]bool{}, 0
	c.waiting = slices.DeleteFunc(c.waiting, func(x *creation) bool {
		queue := x.key[:strings.LastIndexByte(x.key, '/')+1]
		size += len(x.key) + len(x.value)
		first := len(b.creations) == 0
		if !first && (x.alone || b.creations[0].alone || queues[queue] || size > mostBytes || len(b.creations) == c.limit) {
			size -= len(x.key) + len(x.value)
			return false
		}
		queues[queue] = true
		x.batch = b
		b.creations = append(b.creations, x)
		return true
	})
	b.wanted = len(b.creations)
	return b
}

// run commits one batch and tells those who wait for it.
func (c *combiner) run(ctx context.Context, b *batch) {
	err := c.commit(ctx, b.creations)
	b.stop()
	done := b.creations
	c.mu.Lock()
	if len(b.creations) > 1 && isRefusal(err) {
		done = c.split(b, err)
	}
	c.commits--
	c.pump() //nolint:contextcheck // a transaction belongs to several callers
	c.mu.Unlock()
	for _, x := range done {
		if err != nil {
			x.err = err
		}
		close(x.done)
	}
}

// split makes the creations of a refused batch wait again, for smaller ones if that was the reason, and else each for a
// transaction of its own. It returns those that nobody waits for. It is called with the lock held.
func (c *combiner) split(b *batch, err error) (left []*creation) {
	tooMany := errors.Is(err, rpctypes.ErrTooManyOps)
	if tooMany {
		c.limit = min(c.limit, len(b.creations)/2)
	}
	var again []*creation
	for _, x := range b.creations {
		if x.left {
			left = append(left, x)
			continue
		}
		x.alone, x.batch = !tooMany, nil
		again = append(again, x)
	}
	c.waiting = append(again, c.waiting...)
	return left
}

// commit puts the keys that are not taken, and finds out what has the others.
func (c *combiner) commit(ctx context.Context, creations []*creation) error {
	if len(creations) == 1 {
		return c.commitOne(ctx, creations[0])
	}
	var nested []clientv3.Op
	for _, x := range creations {
		nested = append(nested, c.operation(x))
	}
	resp, err := c.engine.commit(ctx, clientv3.OpTxn(nil, nested, nil))
	if err != nil {
		return err
	}
	for i, x := range creations {
		part := resp.Responses[i].GetResponseTxn()
		x.answered(resp.Header, part.Succeeded, part.Responses)
	}
	return nil
}

func (c *combiner) commitOne(ctx context.Context, x *creation) error {
	resp, err := c.engine.commit(ctx, c.operation(x))
	if err != nil {
		return err
	}
	x.answered(resp.Header, resp.Succeeded, resp.Responses)
	return nil
}

func (c *combiner) operation(x *creation) clientv3.Op {
	return clientv3.OpTxn(
		[]clientv3.Cmp{clientv3.Compare(clientv3.CreateRevision(x.key), "=", 0)},
		[]clientv3.Op{clientv3.OpPut(x.key, x.value, clientv3.WithLease(c.lease))},
		[]clientv3.Op{clientv3.OpGet(x.key)})
}

func (x *creation) answered(h *pb.ResponseHeader, put bool, responses []*pb.ResponseOp) {
	if put {
		x.revision = h.Revision
	} else {
		x.present = responses[0].GetResponseRange().Kvs[0]
	}
}
