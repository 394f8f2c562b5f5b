package fileengine

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/singleton-go/singleton/engine"
)

// A watcher is what one watch has not yet been given. The store's mu guards it, but for wake.
type watcher struct {
	hub     *hub
	prefix  string
	wake    chan struct{} // holds a token when there may be something to do
	reset   bool          // the whole state is owed; pending is empty then
	pending []engine.Change
}

// watch yields until the loop is left or ctx ends; both are no error.
func (s *store) watch(ctx context.Context, o engine.WatchOptions, yield func(engine.Update, error) bool) error {
	var asOf time.Time
	var tick <-chan time.Time
	if o.Progress > 0 {
		ticker := time.NewTicker(max(o.Progress/2, 1))
		defer ticker.Stop()
		asOf, tick = time.Now(), ticker.C
	}
	w, err := s.enter(ctx, o.Prefix)
	if err != nil {
		return err
	}
	defer s.leave(w)
	for {
		u, err := s.owed(w)
		u.AsOf = asOf
		if (u.Reset || len(u.Changes) > 0 || !asOf.IsZero()) && !yield(u, nil) {
			return nil
		}
		if err != nil {
			return err
		}
		asOf = time.Time{}
		select {
		case <-ctx.Done():
			return nil
		case <-w.wake:
		case <-tick:
			now := time.Now()
			if err := s.look(ctx); err != nil {
				return err
			}
			asOf = now
		}
	}
}

// owed returns what w has not been given, and why its watch ends after that.
func (s *store) owed(w *watcher) (engine.Update, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := engine.Update{Reset: w.reset, Changes: w.pending}
	if w.reset {
		for _, key := range slices.Sorted(maps.Keys(s.state.records)) {
			if strings.HasPrefix(key, w.prefix) {
				u.Changes = append(u.Changes, engine.Change{Record: s.state.records[key]})
			}
		}
	}
	w.pending, w.reset = nil, false
	return u, w.hub.err
}

// add appends the changes that w wants to see. Beyond limit it falls back to a reset, so that a reader that never comes
// back can't fill the memory.
func (w *watcher) add(step []engine.Change, limit int) {
	if w.reset {
		return
	}
	for _, c := range step {
		if strings.HasPrefix(c.Record.Key, w.prefix) {
			w.pending = append(w.pending, c)
		}
	}
	if len(w.pending) > limit {
		w.pending, w.reset = nil, true
	}
	if w.reset || len(w.pending) > 0 {
		w.signal()
	}
}

func (w *watcher) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}
