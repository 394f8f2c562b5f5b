package election_test

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton/election"
	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/enginetest"
	"github.com/singleton-go/singleton/engine/ramengine"
	"github.com/singleton-go/singleton/internal/lease"
)

// startLease begins a process's lease, with the default timing.
func startLease(t *testing.T, eng engine.Engine, owner string) *lease.Lease {
	t.Helper()
	return startLeaseWith(t, lease.Config{Engine: eng, Owner: owner})
}

func startLeaseWith(t *testing.T, c lease.Config) *lease.Lease {
	t.Helper()
	c.Range, c.Timing = "election//t/", lease.Timing{}.WithDefaults()
	c.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
	l, err := lease.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// closeAfter closes the lease at the end of the test.
func closeAfter(t *testing.T, l *lease.Lease) *lease.Lease {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 24*time.Hour)
		defer cancel()
		if err := l.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return l
}

// A member is one process of a cluster, on a connection that can break.
type member struct {
	*lease.Lease
	t      *testing.T
	name   string
	store  *ramengine.Engine
	conn   *enginetest.Faulty
	asleep atomic.Int64 // how long its machine has been suspended

	mu    sync.Mutex
	calls map[enginetest.Op]int
	fate  func(enginetest.Call) enginetest.Fate
}

// inBubble runs a test in virtual time, with a store of its own.
func inBubble(t *testing.T, test func(t *testing.T, store *ramengine.Engine)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { test(t, ramengine.New()) })
}

// join starts a process.
func join(t *testing.T, store *ramengine.Engine, name string) *member {
	t.Helper()
	m := &member{t: t, name: name, store: store, conn: enginetest.NewFaulty(store.Connect()), calls: map[enginetest.Op]int{}}
	m.conn.Decide(m.decide)
	t.Cleanup(m.conn.Close)
	m.Lease = closeAfter(t, startLeaseWith(t, lease.Config{
		Engine: m.conn, Owner: name, Suspended: func() time.Duration { return time.Duration(m.asleep.Load()) },
	}))
	return m
}

// in returns the election "m" as this process sees it.
func (m *member) in(o ...election.Option) *election.Election {
	return election.New(m.Lease, "m", m.name, o...)
}

func (m *member) decide(c enginetest.Call) enginetest.Fate {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls[c.Op]++
	if m.fate == nil {
		return enginetest.Fate{}
	}
	return m.fate(c)
}

// harm has the fate of each call decided from now on; nil lets all pass.
func (m *member) harm(fate func(enginetest.Call) enginetest.Fate) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fate = fate
}

// doom gives all calls of this kind the same fate from now on.
func (m *member) doom(op enginetest.Op, fate enginetest.Fate) {
	m.harm(func(c enginetest.Call) enginetest.Fate {
		if c.Op == op {
			return fate
		}
		return enginetest.Fate{}
	})
}

// sent counts the calls of a kind so far.
func (m *member) sent(op enginetest.Op) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls[op]
}

// A stand is a process that stands in the election "m", for one term.
type stand struct {
	*member
	cancel context.CancelFunc            // tells it to stop
	won    atomic.Pointer[election.Term] // once it leads
	work   chan struct{}                 // closed when its work is done
	done   chan struct{}                 // closed when Lead has returned
	err    error
}

// term returns the term, the zero Term before there is one.
func (s *stand) term() election.Term {
	if t := s.won.Load(); t != nil {
		return *t
	}
	return election.Term{}
}

// lead has a process stand in the background. Its runner returns when its context ends, or when its work is done.
func (m *member) lead(o ...election.Option) *stand {
	return m.leadWith(func(ctx context.Context, s *stand) error {
		select {
		case <-ctx.Done():
		case <-s.work:
		}
		return nil
	}, o...)
}

// leadWith is lead with another runner.
func (m *member) leadWith(run func(context.Context, *stand) error, o ...election.Option) *stand {
	m.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &stand{member: m, cancel: cancel, work: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(s.done)
		s.err = m.in(o...).Lead(ctx, func(ctx context.Context, t election.Term) error {
			s.won.Store(&t)
			return run(ctx, s)
		})
	}()
	m.t.Cleanup(func() {
		cancel()
		<-s.done
	})
	synctest.Wait()
	return s
}

func (s *stand) mustLead() {
	s.t.Helper()
	synctest.Wait()
	if t := s.term(); t.Token() == 0 || t.Err() != nil {
		s.t.Errorf("%s does not lead: token %d, %v", s.name, t.Token(), t.Err())
	}
}

func (s *stand) mustWait() {
	s.t.Helper()
	synctest.Wait()
	if t := s.term(); t.Token() != 0 {
		s.t.Errorf("%s has led, with token %d", s.name, t.Token())
	}
}

// end waits until Lead has returned, and returns its error.
func (s *stand) end() error {
	<-s.done
	return s.err
}

// stored returns the records of the store whose keys begin with prefix, in the order of their creation.
func stored(t *testing.T, store *ramengine.Engine, prefix string) (records []engine.Record) {
	t.Helper()
	for u, err := range store.Connect().Watch(context.Background(), engine.WatchOptions{Prefix: prefix}) {
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range u.Changes {
			records = append(records, c.Record)
		}
		break
	}
	return records
}

// mustQueue checks who stands in the election "m", in this order.
func mustQueue(t *testing.T, store *ramengine.Engine, want ...string) {
	t.Helper()
	synctest.Wait()
	got := []string{}
	for _, r := range stored(t, store, "election//t/singleton/m/") {
		got = append(got, string(r.Value))
	}
	if !slices.Equal(got, want) {
		t.Errorf("the queue is %v, want %v", got, want)
	}
}

// foreign opens a session of another program.
func foreign(t *testing.T, store *ramengine.Engine) engine.Session {
	t.Helper()
	s, err := store.Open(t.Context(), engine.SessionOptions{TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// put has a session create a record, whose value is "foreign".
func put(t *testing.T, s engine.Session, key string) engine.Record {
	t.Helper()
	r, err := s.Create(t.Context(), key, []byte("foreign"))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// endSession ends the present session of a process, as when it is dead or has lost its lease.
func endSession(m *member) {
	m.t.Helper()
	if err := m.store.End(context.Background(), m.Session()); err != nil {
		m.t.Fatal(err)
	}
}
