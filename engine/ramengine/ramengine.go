// Package ramengine is an engine whose store lives in this process's memory.
//
// It serves programs that run alone, and tests: under testing/synctest it drives whole clusters in virtual time, where a
// session ends exactly one TTL after its last renewal. It starts no goroutine and keeps no timer of its own. What is due is done
// by whoever comes by next: every call does it first, and every watch wakes for it inside its caller's loop. So an abandoned
// store costs memory and nothing else, and needs no Close.
package ramengine

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/singleton-go/singleton/engine"
)

var (
	_ engine.Engine = (*Engine)(nil)
	_ engine.Ender  = (*Engine)(nil)
)

// An Engine is one way to a store in memory. All users in a process may share one Engine. A test that plays several processes
// gives each its own by [Engine.Connect], since [Engine.Rewind] is remembered by Engine.
type Engine struct {
	store *store
	life  uint64 // of the store that this engine came to know
}

// Options say how a store behaves.
type Options struct {
	// ClockRate is how fast the store's clock runs beside the local one: at 1.1 it is 10 % fast, and a TTL of 10 s is over
	// after 9.09 s of local time. It is for tests of clock drift; 0 means 1.
	ClockRate float64
}

// New returns an engine on a new, empty store.
func New() *Engine {
	return &Engine{store: newStore(1)}
}

// NewWith is [New] with options. It refuses a clock that stands still or runs backwards.
func NewWith(o Options) (*Engine, error) {
	if rate := cmp.Or(o.ClockRate, 1); rate > 0 {
		return &Engine{store: newStore(rate)}, nil
	}
	return nil, fmt.Errorf("ramengine: ClockRate %v: must be above 0", o.ClockRate)
}

// Connect returns another engine on the same store, as another process would have.
func (e *Engine) Connect() *Engine {
	e.store.mu.Lock()
	defer e.store.mu.Unlock()
	return &Engine{store: e.store, life: e.store.life}
}

// Rewind replaces the store by an empty one, as a restart of a store that forgets would. All present engines get
// [engine.ErrRewound] from now on; those that Connect returns later work. Created goes on rising.
func (e *Engine) Rewind() {
	e.store.mu.Lock()
	defer e.store.mu.Unlock()
	e.store.rewind(time.Now())
}

// Open implements [engine.Engine]. The TTL is granted as asked; it must be above zero.
func (e *Engine) Open(ctx context.Context, o engine.SessionOptions) (engine.Session, error) {
	if o.TTL <= 0 {
		return nil, fmt.Errorf("open session: TTL %v: must be above 0", o.TTL)
	}
	s := &session{engine: e, ttl: o.TTL, keys: map[string]bool{}}
	err := e.do(ctx, func(now time.Time) error {
		e.store.opened++
		s.id = strconv.FormatUint(e.store.opened, 16)
		e.store.sessions[s.id] = s
		e.store.extend(s, now)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("open session: %w", err)
	}
	return s, nil
}

// End implements [engine.Ender].
func (e *Engine) End(ctx context.Context, sessionID string) error {
	err := e.do(ctx, func(time.Time) error {
		if s, ok := e.store.sessions[sessionID]; ok {
			e.store.end(s)
		}
		return nil
	})
	return wrap("end session", sessionID, err)
}

// Watch implements [engine.Engine]. A reader that falls far behind is given a reset instead of a history longer than the state.
func (e *Engine) Watch(ctx context.Context, o engine.WatchOptions) iter.Seq2[engine.Update, error] {
	return func(yield func(engine.Update, error) bool) {
		w := newWatcher(o)
		err := e.do(ctx, func(now time.Time) error {
			e.store.watchers[w] = true
			if o.Progress > 0 {
				w.nextMark = now
			}
			return nil
		})
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			yield(engine.Update{}, wrap("watch", o.Prefix, err))
			return
		}
		defer e.store.leave(w)
		e.follow(ctx, w, yield)
	}
}

// follow yields what there is for w and waits for more. The store's due expiries are among what it waits for.
func (e *Engine) follow(ctx context.Context, w *watcher, yield func(engine.Update, error) bool) {
	alarm := time.NewTimer(time.Hour)
	defer alarm.Stop()
	for ctx.Err() == nil {
		u, wait, err := e.store.next(w)
		if err != nil {
			yield(engine.Update{}, wrap("watch", w.prefix, err))
			return
		}
		if !u.AsOf.IsZero() || u.Reset || len(u.Changes) > 0 {
			if !yield(u, nil) {
				return
			}
			continue
		}
		alarm.Stop()
		if wait > 0 { // a timer for never would hide a deadlock from synctest
			alarm.Reset(wait)
		}
		select {
		case <-ctx.Done():
		case <-w.wake:
		case <-alarm.C:
		}
	}
}

// do runs one step of the store, after everything that is due before it.
func (e *Engine) do(ctx context.Context, step func(now time.Time) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e.store.mu.Lock()
	defer e.store.mu.Unlock()
	if e.life != e.store.life {
		return engine.ErrRewound
	}
	now := time.Now()
	e.store.expire(now)
	return step(now)
}

// wrap adds what was tried, and on what.
func wrap(verb, object string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %q: %w", verb, object, err)
}
