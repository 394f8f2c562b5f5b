package lease_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/enginetest"
	"github.com/singleton-go/singleton/engine/ramengine"
	"github.com/singleton-go/singleton/internal/lease"
)

// A process is one process with its own connection to a store. Every call that it makes is noted, and may be harmed.
type process struct {
	*lease.Lease
	t     *testing.T
	store *ramengine.Engine
	conn  *enginetest.Faulty
	start time.Time

	asleep atomic.Int64 // how long its machine has been suspended

	mu    sync.Mutex
	calls []call
	fate  func(enginetest.Call) enginetest.Fate
}

// A call is a request of a process, and when it was sent.
type call struct {
	enginetest.Call
	at time.Duration // since the process was started
}

// forever is longer than anything that a test waits for, so that what never comes fails it.
const forever = 24 * time.Hour

// inBubble runs a test in virtual time, with a store of its own.
func inBubble(t *testing.T, test func(t *testing.T, store *ramengine.Engine)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { test(t, ramengine.New()) })
}

// join starts a process with the default timing.
func join(t *testing.T, store *ramengine.Engine) *process {
	t.Helper()
	return joinWith(t, store, lease.Config{})
}

// joinWith starts a process with these settings, the rest being filled in. An engine, if any, stands for its way to the store.
func joinWith(t *testing.T, store *ramengine.Engine, c lease.Config) *process {
	t.Helper()
	if c.Engine == nil {
		c.Engine = store.Connect()
	}
	p := &process{t: t, store: store, conn: enginetest.NewFaulty(c.Engine), start: time.Now()}
	p.asleep.Store(int64(time.Hour)) // long ago
	p.conn.Decide(p.decide)
	c.Engine, c.Range, c.Owner, c.Timing = p.conn, "election//t/", "p", c.Timing.WithDefaults()
	if c.Suspended == nil {
		c.Suspended = func() time.Duration { return time.Duration(p.asleep.Load()) }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	l, err := lease.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	p.Lease = l
	t.Cleanup(func() {
		p.doom(nil)
		ctx, cancel := context.WithTimeout(context.Background(), forever)
		defer cancel()
		if err := l.Close(ctx); err != nil {
			t.Error(err)
		}
		p.conn.Close()
	})
	return p
}

func (p *process) decide(c enginetest.Call) enginetest.Fate {
	p.mu.Lock()
	p.calls = append(p.calls, call{c, time.Since(p.start)})
	fate := p.fate
	p.mu.Unlock()
	if fate == nil {
		return enginetest.Fate{}
	}
	return fate(c)
}

// doom has the fate of each call decided from now on.
func (p *process) doom(fate func(enginetest.Call) enginetest.Fate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fate = fate
}

// doomAll gives all calls of these kinds the same fate from now on.
func (p *process) doomAll(fate enginetest.Fate, ops ...enginetest.Op) {
	all := fates{}
	for _, op := range ops {
		all[op] = fate
	}
	p.doom(all.decide)
}

// fates are what befalls the calls of each kind.
type fates map[enginetest.Op]enginetest.Fate

func (f fates) decide(c enginetest.Call) enginetest.Fate { return f[c.Op] }

// sent returns the calls of these kinds so far.
func (p *process) sent(ops ...enginetest.Op) (calls []call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.calls {
		if slices.Contains(ops, c.Op) {
			calls = append(calls, c)
		}
	}
	return calls
}

// creations returns the keys of the records that were to be created, in the order of the requests.
func (p *process) creations() (keys []string) {
	for _, c := range p.sent(enginetest.OpCreate) {
		keys = append(keys, c.Key)
	}
	return keys
}

// until lets time pass until so long after the process was started.
func (p *process) until(at time.Duration) {
	time.Sleep(at - time.Since(p.start))
	synctest.Wait()
}

// candidate enters an election.
func (p *process) candidate(election string) *lease.Claim {
	p.t.Helper()
	return must(p.t)(p.Candidate(election, "id", func() {}))
}

// lead enters an election and must lead at once.
func (p *process) lead(election string) *hold {
	p.t.Helper()
	c := p.candidate(election)
	synctest.Wait()
	return p.hold(c)
}

func (p *process) hold(c *lease.Claim) *hold {
	p.t.Helper()
	ctx, token, ok := c.Hold(context.Background())
	if !ok {
		p.t.Fatal("the claim can't be held")
	}
	p.t.Cleanup(func() { c.Leave(errors.New("the test is over")) })
	return &hold{Claim: c, p: p, ctx: ctx, token: token}
}

// endSession ends the present session, as nobody but a person or a guard would.
func (p *process) endSession() {
	p.t.Helper()
	if err := engine.End(context.Background(), p.store, p.Session()); err != nil {
		p.t.Fatal(err)
	}
}

// A hold is a claim that was held.
type hold struct {
	*lease.Claim
	p     *process
	ctx   context.Context
	token uint64
}

// mustEnd waits for the end of the hold, which must come so long after the process was started.
func (h *hold) mustEnd(at time.Duration, cause error) {
	h.p.t.Helper()
	select {
	case <-h.ctx.Done():
	case <-time.After(forever):
	}
	if got := time.Since(h.p.start); got != at || !errors.Is(context.Cause(h.ctx), cause) {
		h.p.t.Errorf("the hold ended after %v: %v, want %v: %v", got, context.Cause(h.ctx), at, cause)
	}
}

func (h *hold) mustHaveEnded(cause error) {
	h.p.t.Helper()
	if err := context.Cause(h.ctx); !errors.Is(err, cause) {
		h.p.t.Errorf("after %v the end of the hold is %v, want %v", time.Since(h.p.start), err, cause)
	}
}

func (h *hold) mustLast() {
	h.p.t.Helper()
	if err := context.Cause(h.ctx); err != nil {
		h.p.t.Errorf("the hold has ended after %v: %v", time.Since(h.p.start), err)
	}
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

func mustHave(t *testing.T, store *ramengine.Engine, prefix string, want ...string) {
	t.Helper()
	got := []string{}
	for _, r := range stored(t, store, prefix) {
		got = append(got, r.Key)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the store has %v, want %v", got, want)
	}
}

// must returns a function that expects a claim without an error.
func must(t *testing.T) func(*lease.Claim, error) *lease.Claim {
	return func(c *lease.Claim, err error) *lease.Claim {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
}
