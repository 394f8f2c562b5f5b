package fileengine_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/singleton-go/singleton/engine"
)

// A mirror is what a watch amounts to. It checks the order of the records that it sees for the first time.
type mirror struct {
	mu      sync.Mutex
	changed chan struct{} // closed and renewed at every update
	records map[string]engine.Record
	newest  map[string]uint64 // by queue
	ended   map[string]bool   // sessions that must not be seen any more
	loaded  bool
	broken  error
}

func newMirror() *mirror {
	return &mirror{changed: make(chan struct{}), records: map[string]engine.Record{}, newest: map[string]uint64{}, ended: map[string]bool{}}
}

// mirrorOf watches until the test ends.
func mirrorOf(t testing.TB, e engine.Engine, prefix string) *mirror {
	t.Helper()
	m := newMirror()
	ctx, cancel := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { m.follow(ctx, e, prefix) })
	t.Cleanup(func() {
		cancel()
		watching.Wait()
		if m.broken != nil {
			t.Error(m.broken)
		}
	})
	m.until(t, "state", func([]string) bool { return m.loaded })
	return m
}

// follow watches until ctx ends or a watch breaks, which only a directory that is lost may cause.
func (m *mirror) follow(ctx context.Context, e engine.Engine, prefix string) {
	for u, err := range e.Watch(ctx, engine.WatchOptions{Prefix: prefix, Progress: 200 * time.Millisecond}) {
		m.mu.Lock()
		if err != nil {
			m.broken = err
		} else if err := m.apply(u); err != nil {
			m.broken = err
		}
		close(m.changed)
		m.changed = make(chan struct{})
		m.mu.Unlock()
	}
}

func (m *mirror) apply(u engine.Update) (broken error) {
	if u.Reset {
		m.loaded = true
		clear(m.records)
	}
	newest := maps.Clone(m.newest)
	for _, c := range u.Changes {
		r := c.Record
		if c.Deleted {
			delete(m.records, r.Key)
			continue
		}
		if m.ended[r.Session] {
			broken = fmt.Errorf("the session of %s had ended", r.Key)
		}
		queue := r.Key[:strings.LastIndex(r.Key, "/")+1]
		if present := m.records[r.Key]; !u.Reset && present.Created != r.Created && r.Created <= m.newest[queue] {
			broken = fmt.Errorf("after Created %d in %s comes %s with %d", m.newest[queue], queue, r.Key, r.Created)
		}
		newest[queue] = max(newest[queue], r.Created)
		m.records[r.Key] = r
	}
	m.newest = newest
	return broken
}

// until waits until the condition holds for the keys that are there. The mirror is locked while it is asked.
func (m *mirror) until(t testing.TB, what string, holds func(keys []string) bool) {
	t.Helper()
	late := time.After(patience)
	for {
		m.mu.Lock()
		keys, broken, changed := slices.Sorted(maps.Keys(m.records)), m.broken, m.changed
		ok := holds(keys)
		m.mu.Unlock()
		if ok {
			return
		}
		if broken != nil {
			t.Fatalf("while waiting for %s: %v", what, broken)
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("no %s within %v; there is %q", what, patience, keys)
		}
	}
}

// shows waits until exactly these keys are there.
func (m *mirror) shows(t testing.TB, want ...string) {
	t.Helper()
	slices.Sort(want)
	m.until(t, fmt.Sprintf("%q", want), func(keys []string) bool { return slices.Equal(keys, want) })
}

// forbid makes it a fault to see the session's records from now on. They must be gone already.
func (m *mirror) forbid(session string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ended[session] = true
}

// has reports whether a record of the session is there. It needs mu.
func (m *mirror) has(session string) bool {
	for _, r := range m.records {
		if r.Session == session {
			return true
		}
	}
	return false
}
