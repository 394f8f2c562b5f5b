package enginetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/singleton-go/singleton/engine"
)

// A viewer watches a prefix as the library does: it keeps a mirror, and watches again when a watch breaks. Whatever the case is
// about, it holds every update to the duties of watches.
type viewer struct {
	tr     *trial
	prefix string

	mu      sync.Mutex
	changed chan struct{} // closed and renewed at every update
	gate    chan struct{} // the reader stands still in its loop while this is open
	fresh   bool          // this watch has not yielded yet
	now     map[string]engine.Record
	past    map[creation]bool // all that was ever seen; true for what is gone again
	newest  map[string]uint64 // by queue
	history []sighting
	breaks  []error
}

// A creation is what a record's identity is.
type creation struct {
	key     string
	created uint64
}

// A sighting is an update and what it left.
type sighting struct {
	engine.Update
	at   time.Time
	left []string // keys, sorted
}

// watch starts a viewer, and waits until it has seen the state.
func (tr *trial) watch(e engine.Engine, o engine.WatchOptions) *viewer {
	tr.Helper()
	v := tr.watchLater(e, o)
	v.until(12, "the first reset", func() bool { return len(v.history) > 0 })
	return v
}

// watchLater starts a viewer that may be cut off for now.
func (tr *trial) watchLater(e engine.Engine, o engine.WatchOptions) *viewer {
	open := make(chan struct{})
	close(open)
	v := &viewer{
		tr:      tr,
		prefix:  o.Prefix,
		changed: make(chan struct{}),
		gate:    open,
		now:     map[string]engine.Record{},
		past:    map[creation]bool{},
		newest:  map[string]uint64{},
	}
	ctx, cancel := context.WithCancel(tr.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		v.run(ctx, e, o)
	}()
	tr.Cleanup(func() {
		cancel()
		tr.returns(17, "a watch whose context has ended", 0, func() error { <-ended; return nil }) //nolint:errcheck // nil
	})
	return v
}

// run watches until ctx ends or the store is another one.
func (v *viewer) run(ctx context.Context, e engine.Engine, o engine.WatchOptions) {
	for ctx.Err() == nil {
		v.mu.Lock()
		v.fresh = true
		v.mu.Unlock()
		var broken error
		for u, err := range e.Watch(ctx, o) {
			if broken != nil {
				v.tr.broken(12, "a watch went on after it had yielded the error %v", broken)
			}
			if broken = err; err == nil {
				v.see(ctx, u)
			}
		}
		if ctx.Err() != nil || errors.Is(broken, engine.ErrRewound) {
			return
		}
		if broken == nil {
			v.tr.broken(12, "a watch ended without an error while its context lived")
		}
		v.mu.Lock()
		v.breaks = append(v.breaks, broken)
		v.mu.Unlock()
		v.tr.pause(20 * time.Millisecond)
	}
}

// see applies an update, and then stands at the gate.
func (v *viewer) see(ctx context.Context, u engine.Update) {
	v.mu.Lock()
	defer v.mu.Unlock()
	at := time.Now()
	if v.fresh && !u.Reset {
		v.tr.broken(12, "the first update of a watch is no reset: %v", u)
	}
	v.fresh = false
	v.checkOrder(u)
	v.apply(u)
	v.checkMark(u, at)
	v.history = append(v.history, sighting{u, at, slices.Sorted(maps.Keys(v.now))})
	close(v.changed)
	v.changed = make(chan struct{})
	gate := v.gate
	v.mu.Unlock()
	select {
	case <-gate:
	case <-ctx.Done():
	}
	v.mu.Lock()
}

// checkOrder holds creations that are new to this viewer against those that it saw in earlier updates.
func (v *viewer) checkOrder(u engine.Update) {
	newest := maps.Clone(v.newest)
	for _, c := range u.Changes {
		if c.Deleted {
			continue
		}
		queue := c.Record.Key[:strings.LastIndex(c.Record.Key, "/")+1]
		_, known := v.past[creation{c.Record.Key, c.Record.Created}]
		if before := v.newest[queue]; !known && c.Record.Created <= before {
			v.tr.broken(13, "a reader that had seen Created %d in the queue %q now sees %s for the first time",
				before, queue, show(c.Record))
		}
		newest[queue] = max(newest[queue], c.Record.Created)
	}
	v.newest = newest
}

// apply brings the mirror up to date.
func (v *viewer) apply(u engine.Update) {
	if u.Reset {
		for _, r := range v.now {
			v.past[creation{r.Key, r.Created}] = true // unless it is there again below
		}
		for _, c := range u.Changes {
			if present, ok := v.now[c.Record.Key]; ok && present.Created == c.Record.Created {
				v.past[creation{c.Record.Key, c.Record.Created}] = false
			}
		}
		clear(v.now)
	}
	for _, c := range u.Changes {
		r := c.Record
		if r.Key == "" || !strings.HasPrefix(r.Key, v.prefix) {
			v.tr.broken(11, "a watch of %q yields the key %q", v.prefix, r.Key)
		}
		if c.Deleted {
			v.drop(u, r)
		} else {
			v.put(r)
		}
	}
}

// drop takes a record out of the mirror.
func (v *viewer) drop(u engine.Update, r engine.Record) {
	present, ok := v.now[r.Key]
	if u.Reset || !ok {
		v.tr.broken(12, "a deletion of %q comes in a reset (%t) or without a record that it could delete (%t)", r.Key, u.Reset, !ok)
	}
	v.past[creation{r.Key, present.Created}] = true
	delete(v.now, r.Key)
}

// put takes a record into the mirror.
func (v *viewer) put(r engine.Record) {
	if r.Created == 0 || r.Session == "" {
		v.tr.broken(7, "a record without a number or an owner: %s", show(r))
	}
	if present, ok := v.now[r.Key]; ok && present.Created != r.Created {
		v.tr.broken(12, "%s replaces %s, whose deletion was never yielded", show(r), show(present))
	}
	if v.past[creation{r.Key, r.Created}] {
		v.tr.broken(12, "a record is back that had been shown as gone: %s", show(r))
	}
	v.past[creation{r.Key, r.Created}] = false
	v.now[r.Key] = r
}

// checkMark holds what a progress mark claims against what the store had confirmed by then.
func (v *viewer) checkMark(u engine.Update, at time.Time) {
	if u.AsOf.IsZero() {
		return
	}
	if u.AsOf.After(at) {
		v.tr.broken(15, "a mark is %v ahead of the clock", u.AsOf.Sub(at))
	}
	if wall := at.Round(0) == at; !wall && u.AsOf == u.AsOf.Round(0) { // in a bubble there is one clock and no monotonic reading
		v.tr.broken(20, "AsOf %v has no monotonic reading", u.AsOf)
	}
	for _, d := range v.tr.confirmed(u.AsOf) {
		gone, seen := v.past[creation{d.record.Key, d.record.Created}]
		if strings.HasPrefix(d.record.Key, v.prefix) && (!d.deleted && !seen || d.deleted && seen && !gone) {
			v.tr.broken(15, "a mark claims completeness %v after the store had confirmed a change (deletion: %t) of %s that was not yielded",
				u.AsOf.Sub(d.at), d.deleted, show(d.record))
		}
	}
}

// until waits until the condition holds, and calls the duty broken if it never does. The viewer is locked while it is asked.
func (v *viewer) until(duty int, what string, holds func() bool) {
	v.tr.Helper()
	limit := v.tr.within(v.tr.patience())
	for {
		v.mu.Lock()
		ok, changed := holds(), v.changed
		v.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-limit.Done():
			v.mu.Lock()
			defer v.mu.Unlock()
			v.tr.hopeless(duty, "a watch of %q never showed %s; it shows %s after %d updates and the errors %v",
				v.prefix, what, v.shown(), len(v.history), v.breaks)
		}
	}
}

// shows waits until exactly these records are there.
func (v *viewer) shows(duty int, want ...engine.Record) {
	v.tr.Helper()
	byKey := map[string]engine.Record{}
	for _, r := range want {
		byKey[r.Key] = r
	}
	v.until(duty, fmt.Sprintf("exactly the %d records that the store has", len(byKey)), func() bool {
		return maps.EqualFunc(v.now, byKey, same)
	})
}

// stop makes the reader stand still in its loop until it may go on.
func (v *viewer) stop() (goOn func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	gate := make(chan struct{})
	v.gate = gate
	return sync.OnceFunc(func() { close(gate) })
}

// shown prints what the mirror holds.
func (v *viewer) shown() string {
	all := make([]string, 0, len(v.now))
	for _, key := range slices.Sorted(maps.Keys(v.now)) {
		all = append(all, show(v.now[key]))
	}
	if n := len(all); n > 10 {
		all = append(all[:10], fmt.Sprintf("and %d more", n-10))
	}
	return "[" + strings.Join(all, " ") + "]"
}

// same reports whether two records are equal in all their parts.
func same(a, b engine.Record) bool {
	return a.Key == b.Key && string(a.Value) == string(b.Value) && a.Session == b.Session && a.Created == b.Created
}
