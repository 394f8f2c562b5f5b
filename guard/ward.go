package guard

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/singleton-go/singleton/engine"
)

// A Ward is a process as its guard sees it: its open sessions, and an engine to end them. It is for guards of one's own making;
// [Main] has one.
type Ward struct {
	open func(ctx context.Context) (engine.Engine, error)

	engine engine.Engine
	opened chan struct{} // closed when there is an engine

	mu       sync.Mutex
	sessions sessions
}

const (
	firstTry = 10 * time.Millisecond // before trying again to open an engine or to end a session; it doubles
	lastTry  = time.Second

	firstCall = 100 * time.Millisecond // for a try to end a session; it doubles as well
	lastCall  = 2 * time.Second
)

// NewWard returns a ward that knows of no session. Its engine is the one that open returns.
func NewWard(open func(ctx context.Context) (engine.Engine, error)) *Ward {
	return &Ward{open: open, opened: make(chan struct{}), sessions: sessions{}}
}

// Connect opens the engine, so that it is ready when it is needed. It tries until it has succeeded or ctx ends, and tells each
// failure to problem, and success by nil. The engine is opened with ctx, which should end no earlier than the ward is used. One
// that can't end sessions is a failure for good.
func (w *Ward) Connect(ctx context.Context, problem func(error)) {
	for rest := firstTry; ; rest = min(2*rest, lastTry) {
		e, err := w.open(ctx)
		if _, ok := e.(engine.Ender); err == nil && !ok {
			problem(fmt.Errorf("%T can't end the sessions of other processes: %w", e, errors.ErrUnsupported))
			return
		}
		if err == nil {
			w.engine = e
			close(w.opened)
			problem(nil)
			return
		}
		problem(err)
		if !sleep(ctx, rest) {
			return
		}
	}
}

// Heed notes what the process tells of its sessions.
func (w *Ward) Heed(m Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sessions.apply(m)
}

// End ends the open sessions of a process that is gone. It tries again until each is ended or its TTL has passed since the
// call, and expects that [Ward.Connect] has been called or is running. When ctx ends it gives up. The error says which sessions
// it could not end, and why.
func (w *Ward) End(ctx context.Context) error {
	w.mu.Lock()
	open := maps.Clone(w.sessions)
	w.mu.Unlock()
	var all sync.WaitGroup
	errs := make(chan error, len(open))
	for id, ttl := range open {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, ttl)
			defer cancel()
			errs <- w.end(ctx, id)
		})
	}
	all.Wait()
	close(errs)
	var failed error
	for err := range errs {
		failed = errors.Join(failed, err)
	}
	return failed
}

// end ends one session. The first tries are short: a call that has begun while the store was away may wait for long after it is
// back.
func (w *Ward) end(ctx context.Context, id string) error {
	select {
	case <-w.opened:
	case <-ctx.Done():
		return fmt.Errorf("end session %s: there is no engine", id)
	}
	for rest, limit := firstTry, firstCall; ; rest, limit = min(2*rest, lastTry), min(2*limit, lastCall) {
		call, cancel := context.WithTimeout(ctx, limit)
		err := engine.End(call, w.engine, id)
		cancel()
		if err == nil || errors.Is(err, errors.ErrUnsupported) || !sleep(ctx, rest) {
			return err
		}
	}
}

// sleep waits for d; false means that ctx has ended.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
