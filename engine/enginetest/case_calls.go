package enginetest

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/singleton-go/singleton/engine"
)

var callCases = []testCase{
	{name: "a call whose context has ended returns at once and decides nothing", duties: []int{10, 17}, run: endedContexts},
	{name: "a call that is cut off returns when its context ends and decides nothing", duties: []int{10, 17}, run: cutOffCalls},
	{name: "all methods may be called at the same time", duties: []int{18}, run: allAtOnce},
	{name: "no call and no watch leaves a goroutine behind", duties: []int{17}, run: noGoroutineIsLeft, alone: true},
}

// A namedCall is one of the calls that an engine and a session have.
type namedCall struct {
	name string
	do   func(context.Context) error
}

// everyCall returns all calls once, Close last. A watch returns the error that it yields, or nil once its context ends.
func everyCall(c Conn, s engine.Session, r engine.Record) []namedCall {
	return []namedCall{
		{"Open", func(ctx context.Context) error {
			_, err := c.Engine.Open(ctx, engine.SessionOptions{TTL: s.TTL()})
			return err
		}},
		{"Watch", func(ctx context.Context) (err error) {
			for _, err = range c.Engine.Watch(ctx, engine.WatchOptions{Prefix: "calls/", Progress: time.Second}) {
				continue
			}
			return err
		}},
		{"End", func(ctx context.Context) error { return engine.End(ctx, c.Engine, neverGiven(s.ID())) }},
		{"Renew", s.Renew},
		{"Create", func(ctx context.Context) error { _, err := s.Create(ctx, "calls/new", nil); return err }},
		{"Replace", func(ctx context.Context) error { _, err := s.Replace(ctx, r, nil); return err }},
		{"Delete", func(ctx context.Context) error { return s.Delete(ctx, r) }},
		{"Close", s.Close},
	}
}

func endedContexts(tr *trial) {
	c := tr.connect()
	s := tr.openLong(c)
	r := tr.create(s, "calls/a", "")
	ended, cancel := context.WithCancel(tr.Context())
	cancel()
	for _, call := range everyCall(c, s, r) {
		if call.name == "Close" { // it may have closed, and then a renewal is rightly lost
			continue
		}
		err := tr.returns(17, call.name+" with a context that has ended", 0, func() error { return call.do(ended) })
		if verdict(err) {
			tr.broken(10, "%s with a context that has ended returns the verdict: %v", call.name, err)
		}
	}
	err := tr.returns(17, "Close with a context that has ended", 0, func() error { return s.Close(ended) })
	tr.Logf("Close with a context that has ended: %v", err) // done or not, either is right
	if err := s.Close(tr.ctx()); err != nil {
		tr.broken(6, "Close after one whose context had ended returns: %v", err)
	}
}

func cutOffCalls(tr *trial) {
	c := tr.connect()
	tr.need("Cut", c.Cut != nil)
	s := tr.openLong(c)
	r := tr.create(s, "calls/a", "")
	heal := c.Cut(tr.T)
	defer heal()
	for _, call := range everyCall(c, s, r) {
		err := tr.returns(17, call.name+" that is cut off", brief, func() error { return call.do(tr.within(brief)) })
		if verdict(err) || err == nil && call.name != "Watch" {
			tr.broken(10, "%s that is cut off returns as if it had been answered: %v", call.name, err)
		}
	}
}

func allAtOnce(tr *trial) {
	c := tr.connect()
	s := tr.openLong(c)
	shared := tr.create(s, "calls/shared", "")
	var busy sync.WaitGroup
	for w := range 6 {
		busy.Go(func() {
			for i := range 8 {
				if err := tr.useAll(c, s, shared, fmt.Sprintf("calls/%d-%d", w, i)); err != nil {
					tr.broken(18, "a call among others that ran at the same time failed: %v", err)
					return
				}
			}
		})
	}
	busy.Wait()
	v := tr.watch(c.Engine, engine.WatchOptions{Prefix: "calls/"})
	v.until(12, "the shared record alone", func() bool { return len(v.now) == 1 })
}

// useAll makes each call once, so that it succeeds.
func (tr *trial) useAll(c Conn, s engine.Session, shared engine.Record, key string) error {
	r, err := s.Create(tr.ctx(), key, []byte("1"))
	if err != nil {
		return err
	}
	if _, err = s.Replace(tr.ctx(), shared, []byte(key)); err != nil {
		return err
	}
	for _, err = range c.Engine.Watch(tr.ctx(), engine.WatchOptions{Prefix: key, Progress: time.Second}) {
		break
	}
	if err != nil {
		return err
	}
	if err = s.Renew(tr.ctx()); err != nil {
		return err
	}
	if err = s.Delete(tr.ctx(), r); err != nil {
		return err
	}
	brief, err := c.Engine.Open(tr.ctx(), engine.SessionOptions{TTL: s.TTL()})
	if err != nil {
		return err
	}
	return brief.Close(tr.ctx())
}

// noGoroutineIsLeft looks at the stacks of a real-time engine. In a bubble it has nothing to look at: there testing/synctest fails
// every case whose goroutines do not end.
func noGoroutineIsLeft(tr *trial) {
	const rounds = 20
	c := tr.connect()
	s := tr.openLong(c)
	shared := tr.create(s, "calls/shared", "")
	round := func(i int) {
		if err := tr.useAll(c, s, shared, numbered("calls/", i)); err != nil {
			tr.Fatalf("round %d: %v", i, err)
		}
		ctx, cancel := context.WithCancel(tr.Context())
		defer cancel()
		for _, err := range c.Engine.Watch(ctx, engine.WatchOptions{Prefix: "calls/"}) {
			if err != nil {
				tr.Fatalf("round %d: %v", i, err)
			}
			cancel() // the other way to end a watch
		}
	}
	round(0) // what an engine starts once, it may keep
	before := goroutines()
	for i := range rounds {
		round(i + 1)
	}
	if tr.harness.Bubble {
		return
	}
	var more []string
	for limit := time.Now().Add(5 * time.Second); time.Now().Before(limit); tr.pause(50 * time.Millisecond) {
		if more = grown(before, goroutines(), rounds/2); len(more) == 0 {
			return
		}
	}
	tr.broken(17, "after %d rounds of calls there are more goroutines of these kinds:\n%s", rounds, strings.Join(more, "\n"))
}

// goroutines counts those that run, by where they were started.
func goroutines() map[string]int {
	stacks := make([]byte, 1<<22)
	stacks = stacks[:runtime.Stack(stacks, true)]
	counts := map[string]int{}
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		if _, origin, ok := strings.Cut(stack, "created by "); ok {
			origin, _, _ = strings.Cut(origin, " in goroutine")
			counts[origin]++
		}
	}
	return counts
}

// grown returns the kinds of which there are at least n more, so that what a server or the runtime does beside is no leak.
func grown(before, after map[string]int, n int) (kinds []string) {
	for kind, count := range after {
		if count-before[kind] >= n {
			kinds = append(kinds, fmt.Sprintf("%s: %d, before %d", kind, count, before[kind]))
		}
	}
	return kinds
}
