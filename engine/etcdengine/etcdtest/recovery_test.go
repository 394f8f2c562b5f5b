package etcdtest_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/etcdengine"
	"github.com/singleton-go/singleton/engine/etcdengine/etcdtest"
)

// A fleet is some processes that all run one worker.
type fleet struct {
	t       *testing.T
	working atomic.Int32
	begun   chan uint64 // tokens, as terms begin
	ended   chan error  // causes, as they end
	members []*singleton.Runtime
}

func newFleet(t *testing.T, m *etcdtest.Member, size int, ttl time.Duration) *fleet {
	t.Helper()
	f := &fleet{t: t, begun: make(chan uint64, 100), ended: make(chan error, 100)}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	t.Cleanup(cancel)
	for i := range size {
		rt, err := singleton.New(etcdengine.New(dial(t, m, nil)), singleton.Config{
			Prefix: prefix, Node: strconv.Itoa(i), Timing: discovery.Timing{TTL: ttl},
			Logger: slog.New(slog.NewTextHandler(t.Output(), nil)).With("node", i),
		})
		try(t, err)
		f.members = append(f.members, rt)
		wg.Go(func() {
			_ = rt.Run(ctx, singleton.Worker("sync", singleton.RunnerFunc(f.work)))
		})
	}
	return f
}

func (f *fleet) work(ctx context.Context) error {
	if n := f.working.Add(1); n != 1 {
		f.t.Errorf("%d work at the same time", n)
	}
	term, _ := singleton.TermFrom(ctx)
	f.begun <- term.Token()
	<-ctx.Done()
	f.working.Add(-1)
	f.ended <- context.Cause(ctx)
	return nil
}

func (f *fleet) awaitBegin() uint64 {
	f.t.Helper()
	select {
	case token := <-f.begun:
		return token
	case <-time.After(patience):
		f.t.Fatal("nobody leads")
		return 0
	}
}

// awaitPending waits until all stand in the queue, behind one leader, and every process knows that: a store that goes back is the
// same to whoever has seen nothing of what it loses.
func (f *fleet) awaitPending(m *etcdtest.Member) {
	f.t.Helper()
	f.awaitQueue(open(f.t, m, discovery.Config{Observer: true}))
	for _, rt := range f.members {
		f.awaitQueue(rt.Discovery())
	}
}

func (f *fleet) awaitQueue(d *discovery.Discovery) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	for c, err := range d.Observe(ctx) {
		try(f.t, err)
		if e, _ := c.Election("worker/sync"); len(e.Waiting) == len(f.members)-1 {
			return
		}
	}
	f.t.Fatal("not all are in the queue")
}

func TestAnOutageShorterThanTheWindowCostsNothing(t *testing.T) {
	t.Parallel()
	m := start(t)
	f := newFleet(t, m, 3, 10*time.Second)
	token := f.awaitBegin()
	f.awaitPending(m)
	m.Stop()
	time.Sleep(time.Second) // the outage itself
	try(t, m.Start())
	f.awaitPending(m)
	select {
	case err := <-f.ended:
		t.Errorf("term %d ended: %v", token, err)
	default:
	}
}

func TestAfterAnOutageLongerThanTheTTLEveryProcessIsBackByItself(t *testing.T) {
	t.Parallel()
	m := start(t)
	f := newFleet(t, m, 3, 2*time.Second)
	token := f.awaitBegin()
	f.awaitPending(m)
	m.Stop()
	outage := time.After(5 * time.Second)
	select {
	case err := <-f.ended:
		if !errors.Is(err, singleton.ErrLost) {
			t.Errorf("cause %v, want %v", err, singleton.ErrLost)
		}
	case <-outage:
		t.Fatal("the term goes on for longer than the TTL without the store")
	}
	<-outage
	try(t, m.Start())
	if next := f.awaitBegin(); next <= token {
		t.Errorf("token %d after %d", next, token)
	}
	f.awaitPending(m)
}

func TestNobodyLeadsOnAStoreThatWentBack(t *testing.T) {
	t.Parallel()
	m := start(t)
	backup := filepath.Join(t.TempDir(), "backup")
	m.Stop()
	try(t, m.Save(backup))
	try(t, m.Start())
	f := newFleet(t, m, 3, 2*time.Second)
	f.awaitBegin()
	f.awaitPending(m)
	try(t, m.Rewind(backup))
	f.parks()
}

func TestNobodyLeadsOnAStoreThatWasReplaced(t *testing.T) {
	t.Parallel()
	for name, token := range map[string]string{"by an empty one": "first", "by another cluster": "second"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, cluster := t.TempDir(), "first"
			m, err := etcdtest.Start(dir, func(c *embed.Config) { c.InitialClusterToken = cluster })
			try(t, err)
			t.Cleanup(m.Stop)
			f := newFleet(t, m, 2, 2*time.Second)
			f.awaitBegin()
			f.awaitPending(m)
			m.Stop()
			try(t, os.RemoveAll(dir))
			cluster = token
			try(t, m.Start())
			f.parks()
		})
	}
}

// parks waits until the term has ended and every process knows that it is on the wrong store, and that nobody led there.
func (f *fleet) parks() {
	f.t.Helper()
	select {
	case err := <-f.ended:
		if !errors.Is(err, singleton.ErrLost) {
			f.t.Errorf("cause %v, want %v", err, singleton.ErrLost)
		}
	case <-time.After(patience):
		f.t.Fatal("the term goes on")
	}
	end := time.Now().Add(patience)
	for i, rt := range f.members {
		for {
			left, err := rt.Discovery().Trust()
			if errors.Is(err, engine.ErrRewound) {
				break
			}
			if time.Now().After(end) {
				f.t.Fatalf("process %d can lead for %v, %v, want %v", i, left, err, engine.ErrRewound)
			}
			time.Sleep(time.Millisecond) // nothing announces it
		}
	}
	select {
	case token := <-f.begun:
		f.t.Errorf("a term began with token %d", token)
	default:
	}
}
