package ramengine

import (
	"strings"
	"time"

	"github.com/singleton-go/singleton/engine"
)

// A watcher is what one watch has not yet been given. The store's lock guards it, but for wake.
type watcher struct {
	prefix   string
	progress time.Duration
	nextMark time.Time

	wake    chan struct{} // holds a token when there may be something to do
	reset   bool          // the whole state is owed; pending is empty then
	pending []engine.Change
	err     error
}

func newWatcher(o engine.WatchOptions) *watcher {
	return &watcher{prefix: o.Prefix, progress: o.Progress, wake: make(chan struct{}, 1), reset: true}
}

// add appends the changes that w wants to see. Beyond limit the watcher falls back to a reset, so that a reader that never comes
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

// take returns what is owed and forgets it.
func (w *watcher) take(st *store) engine.Update {
	u := engine.Update{Reset: w.reset, Changes: w.pending}
	if w.reset {
		u.Changes = st.state(w.prefix)
	}
	w.pending, w.reset = nil, false
	return u
}

// signal wakes the reader unless it is to wake anyway.
func (w *watcher) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}
