package lease

import (
	"context"
	"fmt"
	"time"
)

// Confirm asks the store whether this session lives, and waits until the mirror is sure to be complete up to now. It returns
// nil when both came out well, and what is held then was not lost before the call. An error says nothing about holds: their
// contexts tell. It counts as a renewal.
func (l *Lease) Confirm(ctx context.Context) error {
	l.mu.Lock()
	gen := l.gen
	l.mu.Unlock()
	if gen == nil {
		return fmt.Errorf("%w: no session", ErrLost)
	}
	sent := l.beginRenewal()
	if err := l.renewOnce(ctx, gen); err != nil {
		if !l.lost(gen, err) && ctx.Err() == nil {
			l.doubt(gen, err)
		}
		return err
	}
	l.renewed(gen, sent)
	for {
		marked, changed := l.markedSince(sent.at)
		if marked {
			return nil
		}
		select {
		case <-changed:
		case <-gen.ctx.Done():
			return fmt.Errorf("%w: session %s", ErrLost, gen.id)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// markedSince says whether the mirror was complete at this instant, and what will tell that this may have changed.
func (l *Lease) markedSince(at time.Time) (bool, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.progress == nil {
		l.progress = make(chan struct{})
	}
	return !l.marked.at.Before(at), l.progress
}
