package enginetest

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/singleton-go/singleton/engine"
)

// Watch implements [engine.Engine].
func (f *Faulty) Watch(ctx context.Context, o engine.WatchOptions) iter.Seq2[engine.Update, error] {
	return func(yield func(engine.Update, error) bool) {
		err := f.request(ctx, f.fate(OpWatch, o.Prefix))
		for again := err == nil; again; {
			again, err = f.watch(ctx, o, yield)
		}
		if err != nil && ctx.Err() == nil {
			yield(engine.Update{}, fmt.Errorf("watch %q: %w", o.Prefix, err))
		}
	}
}

// watch passes on the watch of the engine beneath, until it ends or is to begin again.
func (f *Faulty) watch(ctx context.Context, o engine.WatchOptions, yield func(engine.Update, error) bool) (again bool, err error) {
	ctx, dismiss := f.enroll(ctx)
	defer dismiss()
	for u, broken := range f.inner.Watch(ctx, o) {
		if err = f.deliver(ctx, f.fate(OpUpdate, o.Prefix)); err != nil {
			break
		}
		if !yield(u, broken) {
			return false, nil
		}
	}
	if errors.Is(context.Cause(ctx), errReset) {
		return true, nil
	}
	if err == nil { // broken while the engine beneath had nothing to say
		err = context.Cause(ctx)
	}
	return false, err
}

// enroll derives a context by which the watch can be broken.
func (f *Faulty) enroll(ctx context.Context) (_ context.Context, dismiss func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.watchIDs++
	id := f.watchIDs
	f.watches[id] = cancel
	if f.over.Err() != nil {
		cancel(errClosed)
	}
	return ctx, func() {
		cancel(nil)
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.watches, id)
	}
}

// request brings the opening of a watch to the store. It is never late: nobody would hear of a watch that opens later.
func (f *Faulty) request(ctx context.Context, fate Fate) error {
	switch {
	case fate.Refuse != nil:
		return fate.Refuse
	case fate.Dropped || fate.Lost:
		return f.silence(ctx)
	}
	if err := f.travel(ctx, fate.Request); err != nil {
		return err
	}
	return f.until(ctx, reachable)
}

// deliver brings an update to the reader. Where it fails the watch must end, for an update that is left out would be a gap.
func (f *Faulty) deliver(ctx context.Context, fate Fate) error {
	switch {
	case fate.Refuse != nil:
		return fate.Refuse
	case fate.Dropped || fate.Lost:
		return f.silence(ctx)
	}
	if err := f.travel(ctx, fate.Reply); err != nil {
		return err
	}
	return f.until(ctx, func(s state) bool { return s.cut == 0 && s.mute == 0 && s.stall == 0 })
}
