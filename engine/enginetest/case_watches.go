package enginetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/singleton-go/singleton/engine"
)

var watchCases = []testCase{
	{name: "a watch begins with the whole state", duties: []int{12}, run: watchBeginsWithState},
	{name: "every change follows once and in order", duties: []int{12}, run: everyChangeFollows},
	{name: "a watch that was cut off has no gap", duties: []int{12, 13}, run: cutWatchHasNoGap},
	{name: "a watch whose history was compacted away has no gap", duties: []int{12, 13}, run: compactedWatchHasNoGap},
	{name: "a watch ends without an error when its loop is left or its context ends", duties: []int{12, 17}, run: watchEndsQuietly},
	{name: "a slow reader delays no other watch and no call", duties: []int{16}, run: slowReader},
}

func watchBeginsWithState(tr *trial) {
	c := tr.connect()
	empty := tr.watch(c.Engine, engine.WatchOptions{Prefix: "state/"})
	empty.shows(12)
	s := tr.openLong(c)
	var want []engine.Record
	for i := range 50 {
		r := tr.create(s, numbered("state/", i), fmt.Sprint(i))
		tr.create(s, numbered("elsewhere/", i), "")
		if i%5 == 0 {
			tr.remove(s, r)
		} else {
			want = append(want, r)
		}
	}
	v := tr.watch(tr.connect().Engine, engine.WatchOptions{Prefix: "state/"})
	v.mu.Lock()
	first := v.history[0]
	v.mu.Unlock()
	if len(first.left) != len(want) {
		tr.broken(12, "the first update holds %d records, and there are %d", len(first.left), len(want))
	}
	v.shows(12, want...)
	empty.shows(12, want...)
}

func everyChangeFollows(tr *trial) {
	c := tr.connect()
	s := tr.openLong(c)
	v := tr.watch(c.Engine, engine.WatchOptions{Prefix: "every/"})
	var want []string
	for i := range 6 {
		did := func(what string) {
			want = append(want, what)
			if i%2 == 0 { // each change comes alone, or in a heap with others
				v.until(12, "a change", func() bool { return len(v.history) > 1 && v.changes() >= len(want) })
			}
		}
		r := tr.create(s, "every/a", fmt.Sprint(i))
		did("put " + string(r.Value))
		for range 3 { // the same value twice is two changes
			r, err := s.Replace(tr.ctx(), r, []byte("x"))
			if err != nil {
				tr.Fatalf("replace: %v", err)
			}
			did("put " + string(r.Value))
		}
		tr.remove(s, r)
		did("delete")
	}
	last := tr.create(s, "every/last", "last")
	want = append(want, "put last")
	v.shows(12, last)
	v.mu.Lock()
	defer v.mu.Unlock()
	var got []string
	for i, seen := range v.history {
		if seen.Reset && i > 0 {
			tr.Skip("the watch was reset, which may leave out changes")
		}
		for _, ch := range seen.Changes {
			if ch.Deleted {
				got = append(got, "delete")
			} else {
				got = append(got, "put "+string(ch.Record.Value))
			}
		}
	}
	if !slices.Equal(got, want) {
		tr.broken(12, "a watch yielded the changes %v, and there were %v", got, want)
	}
}

// changes counts what all updates held.
func (v *viewer) changes() (n int) {
	for _, seen := range v.history {
		n += len(seen.Changes)
	}
	return n
}

func cutWatchHasNoGap(tr *trial) {
	c := tr.connect()
	tr.need("Cut", c.Cut != nil)
	tr.hasNoGap(c, c.Cut, func() {})
}

func compactedWatchHasNoGap(tr *trial) {
	tr.need("Compact", tr.store.Compact != nil)
	c := tr.connect()
	hold := c.Cut
	if hold == nil {
		hold = c.Stall
	}
	tr.need("Cut or Stall", hold != nil)
	tr.hasNoGap(c, hold, func() { tr.store.Compact(tr.T) })
}

// hasNoGap changes much while a watch hears nothing: it must come back, by whatever way, to what the store has. The viewer
// itself checks that the way is lawful.
func (tr *trial) hasNoGap(c Conn, hold func(*testing.T) func(), meanwhile func()) {
	s := tr.openLong(tr.connect())
	v := tr.watch(c.Engine, engine.WatchOptions{Prefix: "gap/", Progress: tr.harness.TTL / 3})
	var want []engine.Record
	for round := range 3 {
		before := tr.create(s, fmt.Sprintf("gap/%d/before", round), "")
		again := tr.create(s, fmt.Sprintf("gap/%d/again", round), "")
		want = append(want, before, again)
		v.shows(12, want...)
		heal := hold(tr.T)
		tr.remove(s, before)
		tr.remove(s, again)
		want = slices.DeleteFunc(want, func(r engine.Record) bool { return same(r, before) || same(r, again) })
		want = append(want, tr.create(s, again.Key, ""))
		for i := range 20 {
			r := tr.create(s, fmt.Sprintf("gap/%d/%04d", round, i), "")
			tr.remove(s, r)
		}
		meanwhile()
		want = append(want, tr.create(s, fmt.Sprintf("gap/%d/after", round), ""))
		heal()
		v.shows(12, want...)
	}
}

func watchEndsQuietly(tr *trial) {
	c := tr.connect()
	tr.create(tr.openLong(c), "quiet/a", "")
	o := engine.WatchOptions{Prefix: "quiet/", Progress: tr.harness.TTL / 3}
	tr.quietly(tr.ctx(), c, o, "whose loop was left", false)
	ended, cancel := context.WithCancel(tr.Context())
	cancel()
	tr.quietly(ended, c, o, "whose context had ended before it began", true)
	tr.quietly(tr.within(brief), c, o, "whose context ended", true)
}

// quietly reads a watch, only its first update or on to its end. It must end soon, and without an error.
func (tr *trial) quietly(ctx context.Context, c Conn, o engine.WatchOptions, which string, goesOn bool) {
	tr.Helper()
	err := tr.returns(17, "a watch "+which, brief, func() error {
		for _, err := range c.Engine.Watch(ctx, o) {
			if err != nil || !goesOn {
				return err
			}
		}
		return nil
	})
	if err != nil {
		tr.broken(12, "a watch %s yields the error %v", which, err)
	}
}

func slowReader(tr *trial) {
	const writers, each = 8, 60
	c := tr.connect()
	s, other := tr.openLong(c), tr.openLong(tr.connect())
	o := engine.WatchOptions{Prefix: "slow/", Progress: tr.harness.TTL / 3}
	slow, beside, far := tr.watch(c.Engine, o), tr.watch(c.Engine, o), tr.watch(tr.connect().Engine, o)
	goOn := slow.stop()
	defer goOn()
	var mu sync.Mutex
	var want []engine.Record
	var wrote sync.WaitGroup
	value := make([]byte, 2<<10)
	start := time.Now()
	for w := range writers {
		wrote.Go(func() {
			for i := range each {
				r, err := []engine.Session{s, other}[w%2].Create(tr.ctx(), fmt.Sprintf("slow/%d-%04d", w, i), value)
				if err != nil {
					tr.broken(16, "%v after a reader stood still, Create returns: %v", time.Since(start), err)
					return
				}
				mu.Lock()
				want = append(want, r)
				mu.Unlock()
			}
		})
	}
	wrote.Wait()
	beside.shows(16, want...)
	far.shows(16, want...)
	if err := tr.renew(s); err != nil {
		tr.broken(16, "while a reader stands still, a renewal returns: %v", err)
	}
	goOn()
	slow.shows(12, want...)
}
