package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/singleton-go/singleton/engine"
)

var errSilent = errors.New("no progress")

// A Follower keeps a watch going for as long as somebody wants it.
type Follower struct {
	Engine engine.Engine
	Prefix string
	Timing Timing
	Logger *slog.Logger

	// Apply is called with every update, one after the other. After a watch that broke the next one begins with a reset.
	Apply func(engine.Update)
}

// Run watches until ctx ends, and then returns nil. A watch that breaks is begun again after a while, which grows while
// nothing comes of it. Only [engine.ErrRewound] is returned: nothing would come of it ever.
func (f Follower) Run(ctx context.Context) error {
	for wait := f.Timing.CallTimeout / 16; ; wait = min(2*wait, f.Timing.CallTimeout) {
		fresh, err := f.once(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, engine.ErrRewound) {
			return err
		}
		f.Logger.Warn("watch broke", "range", f.Prefix, "err", err)
		if fresh {
			wait = f.Timing.CallTimeout / 16
		}
		if !sleep(ctx, jitter(wait)) {
			return nil
		}
	}
}

// once applies updates until the watch breaks, or says nothing for so long that a new one must be tried before the stop line
// comes. It says whether there was any update.
func (f Follower) once(ctx context.Context) (fresh bool, err error) {
	patience := f.Timing.Renewal + f.Timing.CallTimeout
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	dog := time.AfterFunc(patience, func() { cancel(fmt.Errorf("%w within %v", errSilent, patience)) })
	defer dog.Stop()
	for u, err := range f.Engine.Watch(ctx, engine.WatchOptions{Prefix: f.Prefix, Progress: f.Timing.Renewal}) {
		if err != nil {
			return fresh, err
		}
		if !u.AsOf.IsZero() {
			dog.Reset(patience)
		}
		fresh = true
		f.Apply(u)
	}
	return fresh, context.Cause(ctx)
}

// sleep waits for d, and says whether to go on: false means that ctx has ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// AsOf is when the mirror was sure to be complete. The zero time is never.
func (l *Lease) AsOf() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.marked.at
}
