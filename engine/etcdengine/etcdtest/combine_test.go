package etcdtest_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"google.golang.org/grpc"
	"google.golang.org/grpc/stats"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/etcdengine"
	"github.com/singleton-go/singleton/engine/etcdengine/etcdtest"
)

// calls counts what a client calls, by method.
type calls struct {
	sync.Map // of *atomic.Int64
}

func (c *calls) of(method string) *atomic.Int64 {
	n, _ := c.LoadOrStore(method, new(atomic.Int64))
	return n.(*atomic.Int64)
}

func (c *calls) TagRPC(ctx context.Context, i *stats.RPCTagInfo) context.Context {
	c.of(i.FullMethodName).Add(1)
	return ctx
}

func (c *calls) HandleRPC(context.Context, stats.RPCStats)                         {}
func (c *calls) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (c *calls) HandleConn(context.Context, stats.ConnStats)                       {}

func (c *calls) transactions() int64 { return c.of("/etcdserverpb.KV/Txn").Load() }

// session opens a session that outlives the test, and tells what its client calls.
func session(t *testing.T, m *etcdtest.Member, options ...grpc.DialOption) (engine.Session, *calls) {
	t.Helper()
	var c calls
	client, err := m.Client(append(options, grpc.WithStatsHandler(&c))...)
	try(t, err)
	t.Cleanup(func() { _ = client.Close() })
	s, err := etcdengine.New(client).Open(t.Context(), engine.SessionOptions{TTL: time.Minute})
	try(t, err)
	return s, &c
}

// outcome is what a creation returned.
type outcome struct {
	record engine.Record
	err    error
}

// createAll creates all keys at once, with their own text as values.
func createAll(t *testing.T, s engine.Session, keys []string) []outcome {
	t.Helper()
	all := make([]outcome, len(keys))
	var wg sync.WaitGroup
	for i, key := range keys {
		wg.Go(func() { all[i].record, all[i].err = s.Create(t.Context(), key, []byte(key)) })
	}
	wg.Wait()
	return all
}

func queues(n int) (keys []string) {
	for i := range n {
		keys = append(keys, fmt.Sprintf("queue/%04d/me", i))
	}
	return keys
}

func TestCreationsOfManyQueuesShareTransactions(t *testing.T) {
	t.Parallel()
	m := start(t)
	s, calls := session(t, m)
	const n = 1000
	keys := queues(n)
	taken := map[int]int64{} // revision by index
	client := dial(t, m, nil)
	for i := 0; i < n; i += 100 {
		r, err := client.Put(t.Context(), keys[i], "theirs")
		try(t, err)
		taken[i] = r.Header.Revision
	}
	for i, got := range createAll(t, s, keys) {
		if rev, ok := taken[i]; ok {
			if !errors.Is(got.err, engine.ErrExists) || string(got.record.Value) != "theirs" || got.record.Created != uint64(rev) {
				t.Errorf("the taken key %s: %+v, %v", keys[i], got.record, got.err)
			}
			continue
		}
		if got.err != nil {
			t.Fatal(got.err)
		}
		r, err := client.Get(t.Context(), keys[i])
		try(t, err)
		kv := r.Kvs[0]
		if string(kv.Value) != keys[i] || uint64(kv.CreateRevision) != got.record.Created || got.record.Session != s.ID() {
			t.Errorf("%s: %v in the store, %+v returned", keys[i], kv, got.record)
		}
	}
	if sent := calls.transactions(); sent > n/5 {
		t.Errorf("%d transactions for %d creations", sent, n)
	}
}

func TestCreationsOfOneQueueNeverShareARevision(t *testing.T) {
	t.Parallel()
	s, _ := session(t, start(t))
	var keys []string
	for i := range 200 {
		keys = append(keys, fmt.Sprintf("queue/%d/%d", i%3, i))
	}
	seen := map[string]bool{}
	for i, got := range createAll(t, s, keys) {
		if got.err != nil {
			t.Fatal(got.err)
		}
		place := fmt.Sprint(i%3, " at ", got.record.Created)
		if seen[place] {
			t.Errorf("two records of queue %s", place)
		}
		seen[place] = true
	}
}

func TestOneKeyCreatedTwiceAtOnceIsCreatedOnce(t *testing.T) {
	t.Parallel()
	s, _ := session(t, start(t))
	keys := strings.Fields(strings.Repeat("queue/a/same queue/b/same ", 50))
	created := map[string]int{}
	for i, got := range createAll(t, s, keys) {
		if got.err == nil {
			created[keys[i]]++
		} else if !errors.Is(got.err, engine.ErrExists) {
			t.Error(got.err)
		}
	}
	if len(created) != 2 || created["queue/a/same"] != 1 || created["queue/b/same"] != 1 {
		t.Errorf("created %v", created)
	}
}

func TestAClusterThatAllowsFewOperationsStillGetsAllCreations(t *testing.T) {
	t.Parallel()
	for _, most := range []uint{1, 10} {
		s, calls := session(t, start(t, func(c *embed.Config) { c.MaxTxnOps = most }))
		for round := range 2 {
			before := calls.transactions()
			var keys []string
			for _, key := range queues(200) {
				keys = append(keys, fmt.Sprintf("%d/%s", round, key))
			}
			for i, got := range createAll(t, s, keys) {
				if got.err != nil {
					t.Errorf("at most %d operations: %s: %v", most, keys[i], got.err)
				}
			}
			if sent := calls.transactions() - before; most == 10 && sent > 100 {
				t.Errorf("at most %d operations: %d transactions for %d creations", most, sent, len(keys))
			}
		}
	}
}

func TestLargeValuesFillTransactionsWithoutFailingThem(t *testing.T) {
	t.Parallel()
	s, _ := session(t, start(t))
	value := make([]byte, 300<<10)
	var wg sync.WaitGroup
	for _, key := range queues(40) {
		wg.Go(func() {
			if _, err := s.Create(t.Context(), key, value); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestOneCallerWhoGivesUpTakesNobodyAlong(t *testing.T) {
	t.Parallel()
	w := newWire()
	s, calls := session(t, start(t), w.options()...)
	heal := w.cut(t)
	// The first creations go singly. While they are under way the others gather, and share a transaction when these end.
	singly, endSingly := context.WithCancel(t.Context())
	first := createEach(singly, s, "first", 4)
	for calls.transactions() < 4 {
		runtime.Gosched()
	}
	short, giveUp := context.WithCancel(t.Context())
	given, kept := createEach(short, s, "given", 50), createEach(t.Context(), s, "kept", 50)
	endSingly()
	first.each(t, context.Canceled)
	giveUp()
	given.each(t, context.Canceled)
	heal()
	kept.each(t, nil)
	if sent := calls.transactions(); sent > 50 {
		t.Errorf("%d transactions, so there was none to share", sent)
	}
}

// creations are the outcomes of some that are under way.
type creations []chan error

// createEach begins n creations, each in a queue of its own.
func createEach(ctx context.Context, s engine.Session, name string, n int) (all creations) {
	var begun sync.WaitGroup
	defer begun.Wait()
	for i := range n {
		done := make(chan error, 1)
		all = append(all, done)
		begun.Add(1)
		go func() {
			begun.Done()
			_, err := s.Create(ctx, fmt.Sprintf("%s/%d/me", name, i), nil)
			done <- err
		}()
	}
	return all
}

func (c creations) each(t *testing.T, want error) {
	t.Helper()
	for _, done := range c {
		if err := <-done; !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
}

func TestAWatchThatWasBehindGetsWhatItMissed(t *testing.T) {
	t.Parallel()
	m := start(t)
	w := newWire()
	behind := etcdengine.New(dial(t, m, w))
	s, _ := session(t, m)
	// The server keeps 128 responses for a watch that doesn't take them, and then sends all the rest at once: here more than
	// gRPC takes in one message by default.
	const n, size = 260, 50 << 10
	next, stop := iter.Pull2(behind.Watch(t.Context(), engine.WatchOptions{Prefix: "behind/"}))
	defer stop()
	_, err, _ := next()
	try(t, err)
	heal := w.stall(t)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if _, err := s.Create(t.Context(), fmt.Sprintf("behind/%d", i), make([]byte, size)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	heal()
	for seen := 0; seen < n; {
		u, err, _ := next()
		try(t, err)
		if u.Reset {
			t.Error("the watch was reset")
		}
		seen += len(u.Changes)
	}
}
