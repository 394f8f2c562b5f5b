package singleton_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/election"
	"github.com/singleton-go/singleton/engine/enginetest"
	"github.com/singleton-go/singleton/engine/ramengine"
)

// Of the default timing: the stop line comes this long after the last renewal was sent, which was at most one renewal ago.
const (
	ttl      = 10 * time.Second
	drain    = 2500 * time.Millisecond
	stopLine = 6 * time.Second
)

// A cluster is some processes on one store, in virtual time.
type cluster struct {
	*testing.T

	store *ramengine.Engine
	nodes []*node
	start time.Time

	mu    sync.Mutex
	lines []string
	runs  map[string]string // who runs a unit that only one may run
	token map[string]uint64
}

// inCluster runs a test in a bubble, and stops all its nodes at the end.
func inCluster(t *testing.T, test func(c *cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{T: t, store: ramengine.New(), start: time.Now(), runs: map[string]string{}, token: map[string]uint64{}}
		test(c)
		for _, n := range c.nodes {
			n.stop()
			n.conn.Close()
		}
	})
}

// A node is one process: its connection to the store, and its runtime.
type node struct {
	c    *cluster
	name string
	conn *enginetest.Faulty
	rt   *singleton.Runtime
	end  context.CancelCauseFunc
	over chan struct{}
	err  error
}

var errTold = errors.New("told to stop")

// prepare makes a node that doesn't run yet.
func (c *cluster) prepare(name string, adjust ...func(*singleton.Config)) *node {
	c.Helper()
	n := &node{c: c, name: name, conn: enginetest.NewFaulty(c.store.Connect()), over: make(chan struct{})}
	config := singleton.Config{
		Prefix: "/t", Node: name,
		Logger: slog.New(slog.NewTextHandler(c.Output(), &slog.HandlerOptions{Level: slog.LevelError + 1})),
	}
	for _, a := range adjust {
		a(&config)
	}
	rt, err := singleton.New(n.conn, config)
	if err != nil {
		c.Fatal(err)
	}
	n.rt = rt
	return n
}

// run runs a prepared node until the end of the test, or stop.
func (n *node) run(units ...singleton.Unit) *node {
	ctx, end := context.WithCancelCause(context.Background())
	n.end = end
	go func() {
		defer close(n.over)
		n.err = n.rt.Run(ctx, units...)
	}()
	n.c.nodes = append(n.c.nodes, n)
	synctest.Wait()
	return n
}

// node starts a process.
func (c *cluster) node(name string, units ...singleton.Unit) *node {
	c.Helper()
	return c.prepare(name).run(units...)
}

// tell tells the process to stop.
func (n *node) tell() { n.end(errTold) }

// stop stops the process and waits for it.
func (n *node) stop() {
	n.c.Helper()
	n.tell()
	<-n.over
	if n.err != nil {
		n.c.Errorf("%s: Run returned %v", n.name, n.err)
	}
}

// status returns the status of one unit.
func (n *node) status(unit string) singleton.Status {
	n.c.Helper()
	for _, s := range n.rt.Status() {
		if s.String() == unit {
			return s
		}
	}
	n.c.Fatalf("%s has no unit %s", n.name, unit)
	return singleton.Status{}
}

// is checks the state of a unit.
func (n *node) is(unit string, want singleton.State) singleton.Status {
	n.c.Helper()
	s := n.status(unit)
	if s.State != want {
		n.c.Errorf("%v: %s: %s is %v, want %v", n.c.now(), n.name, unit, s.State, want)
	}
	return s
}

func (c *cluster) now() time.Duration { return time.Since(c.start) }

// pass lets time pass, until everything has settled.
func (c *cluster) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// passTo lets time pass up to this moment.
func (c *cluster) passTo(d time.Duration) { c.pass(d - c.now()) }

// note writes a line into the journal.
func (c *cluster) note(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, fmt.Sprintf("%v %s", c.now(), fmt.Sprintf(format, args...)))
}

// journal checks what has been noted since the last time.
func (c *cluster) journal(want ...string) {
	c.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Equal(c.lines, want) {
		c.Errorf("%v: the journal is\n\t%s\nwant\n\t%s", c.now(), strings.Join(c.lines, "\n\t"), strings.Join(want, "\n\t"))
	}
	c.lines = nil
}

// enter checks that nobody else runs the unit, and that tokens rise.
func (c *cluster) enter(who string, term singleton.Term) {
	c.mu.Lock()
	defer c.mu.Unlock()
	name := term.Election()
	if other := c.runs[name]; other != "" {
		c.Errorf("%v: %s begins %s while %s runs it", c.now(), who, name, other)
	}
	if term.Token() <= c.token[name] {
		c.Errorf("%v: %s: token %d of %s comes after %d", c.now(), who, term.Token(), name, c.token[name])
	}
	c.runs[name], c.token[name] = who, term.Token()
}

func (c *cluster) exit(term singleton.Term) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.runs, term.Election())
}

// A probe is a runner with all its parts, which notes what happens to it. By default it starts at once, runs until it is told to
// stop, and then returns at once.
type probe struct {
	c        *cluster
	who      string
	startup  func(ctx context.Context) error
	run      func(ctx context.Context) error
	shutdown func(ctx context.Context, reason error) error
}

func (c *cluster) probe(who string) *probe {
	return &probe{
		c: c, who: who,
		startup:  func(context.Context) error { return nil },
		run:      func(ctx context.Context) error { <-ctx.Done(); return nil },
		shutdown: func(context.Context, error) error { return nil },
	}
}

// worker is a worker whose name is "w".
func (p *probe) worker(o ...singleton.Option) singleton.Unit { return singleton.Worker("w", p, o...) }

// Startup implements [singleton.Starter].
func (p *probe) Startup(ctx context.Context) error {
	p.c.note("%s startup", p.who)
	if term, ok := singleton.TermFrom(ctx); ok {
		p.c.enter(p.who, term)
	}
	err := p.startup(ctx)
	if term, ok := singleton.TermFrom(ctx); ok && err != nil {
		p.c.exit(term)
	}
	return err
}

// Run implements [singleton.Runner].
func (p *probe) Run(ctx context.Context) error {
	p.c.note("%s run", p.who)
	told := make(chan struct{})
	tell := func() {
		p.c.note("%s told %s", p.who, reason(context.Cause(ctx)))
		close(told)
	}
	stop := context.AfterFunc(ctx, tell)
	defer func() {
		switch {
		case !stop():
			<-told
		case ctx.Err() != nil: // it has returned before it could be noted
			tell()
		}
		p.c.note("%s returns", p.who)
	}()
	return p.run(ctx)
}

// Shutdown implements [singleton.Stopper].
func (p *probe) Shutdown(ctx context.Context, why error) error {
	p.c.note("%s shutdown %s", p.who, reason(why))
	if term, ok := singleton.TermFrom(ctx); ok {
		defer p.c.exit(term)
	}
	return p.shutdown(ctx, why)
}

// reason is a short word for why something ended.
func reason(err error) string {
	switch {
	case err == nil:
		return "nil"
	case errors.Is(err, singleton.ErrLost):
		return "lost"
	case errors.Is(err, singleton.ErrStopped):
		return "stopped"
	case errors.Is(err, election.ErrAsked):
		return "asked"
	}
	return err.Error()
}

// after returns a part of a runner that heeds nothing and takes its time.
func after(d time.Duration) func(context.Context) error {
	return func(context.Context) error {
		time.Sleep(d)
		return nil
	}
}

// untilTold runs until told to stop, and takes its time to return.
func untilTold(d time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		<-ctx.Done()
		time.Sleep(d)
		return nil
	}
}

func sorted(lines []string) []string {
	slices.Sort(lines)
	return lines
}
