package schedule

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/singleton-go/singleton"
)

// Every returns a runner that calls fn at once and then every interval, from start to start: the rhythm is that of the first
// call and does not drift. Calls never overlap. One that takes longer than the interval makes those skip that would have
// begun meanwhile, and the rhythm goes on with the next.
//
// When the unit is told to stop, or has lost its leadership, the context of the call under way ends and the call is waited
// for. An error of fn is logged by [singleton.LoggerFrom], and so is a panic, with its stack; the rhythm goes on. (As a failure
// of the unit it would be called again at once by the next process, and by the one after that.) An error that fn returns after
// its context has ended is taken for the answer to that, and not logged.
//
// An interval that is not positive, or a nil fn, is refused before the unit starts.
func Every(interval time.Duration, fn func(ctx context.Context) error, o ...Option) singleton.Runner {
	e := &every{interval: interval, fn: fn}
	for _, option := range o {
		option(e)
	}
	return e
}

// An Option refines a schedule.
type Option func(*every)

// AfterInterval makes the first call come after one interval instead of at once.
func AfterInterval() Option {
	return func(e *every) { e.late = true }
}

type every struct {
	interval time.Duration
	fn       func(context.Context) error
	late     bool
}

// Check implements [singleton.Checker].
func (e *every) Check() error {
	switch {
	case e.interval <= 0:
		return fmt.Errorf("schedule: interval %v: must be positive", e.interval)
	case e.fn == nil:
		return errors.New("schedule: function: nil")
	}
	return nil
}

// Run implements [singleton.Runner].
func (e *every) Run(ctx context.Context) error {
	start := time.Now()
	var tick time.Duration // when the next call is due, from start
	if e.late {
		tick = e.interval
	}
	timer := time.NewTimer(tick)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-timer.C:
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		e.call(ctx)
		tick = e.next(ctx, tick, time.Since(start))
		timer.Reset(tick - time.Since(start))
	}
}

func (e *every) call(ctx context.Context) {
	defer func() {
		if v := recover(); v != nil {
			singleton.LoggerFrom(ctx).Error("scheduled call panicked", "err", v, "stack", string(debug.Stack()))
		}
	}()
	if err := e.fn(ctx); err != nil && ctx.Err() == nil {
		singleton.LoggerFrom(ctx).Error("scheduled call failed", "err", err)
	}
}

// next returns the first tick after the last one that is not yet over. A tick of this very moment is not.
func (e *every) next(ctx context.Context, last, now time.Duration) time.Duration {
	tick := last + e.interval
	if tick < now {
		missed := int64((now - tick + e.interval - 1) / e.interval)
		tick += time.Duration(missed) * e.interval
		singleton.LoggerFrom(ctx).Warn("scheduled call took longer than its interval", "took", now-last, "skipped", missed)
	}
	return tick
}
