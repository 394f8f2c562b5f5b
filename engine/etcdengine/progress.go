package etcdengine

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// The marks of a watch. A proof comes from somewhere (this watch's prover, another watch's, a renewal), is taken, stays open
// until the stream has delivered everything up to its revision, and then is a mark.

// limit is how long a watch may be without a mark.
func (w *watch) limit() time.Duration { return 3 * w.progress }

// patience is how long to wait for what should have come before asking again.
func (w *watch) patience() time.Duration { return max(w.progress/8, time.Millisecond) }

// overdue is how long to wait for a stream to open, or for a part of the state, before asking again.
func (w *watch) overdue() time.Duration {
	if w.progress == 0 {
		return overdueAfter
	}
	return max(w.progress/shares, time.Millisecond)
}

// interval is how old the latest proof may become before this watch reads one by itself. It leaves the rest of the wanted
// interval for the way to the store and back.
func (w *watch) interval() time.Duration { return w.progress * 3 / 4 }

// takeProof takes the latest proof, if it is a new one, and returns a channel that is closed when there is another.
func (w *watch) takeProof() (<-chan struct{}, error) {
	if w.progress == 0 {
		return nil, nil
	}
	latest, changed, err := w.engine.store.news()
	if err != nil {
		return nil, err
	}
	if !latest.asOf.After(w.seen) {
		return changed, nil
	}
	w.seen = latest.asOf
	w.open = append(w.open, latest)
	if latest.revision > w.delivered {
		return changed, w.stream.askProgress()
	}
	return changed, nil
}

// reached closes the proofs that the stream has reached, and returns the latest one's instant.
func (w *watch) reached() (asOf time.Time) {
	for i, proof := range slices.Backward(w.open) {
		if proof.revision <= w.delivered {
			asOf, w.open = proof.asOf, w.open[i+1:]
			break
		}
	}
	return asOf
}

// hurry asks again for what has not come, and gives up in the end.
func (w *watch) hurry(now time.Time) error {
	if now.After(w.deadline) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.failed != nil {
			return fmt.Errorf("%w for %v: %w", errNoProgress, w.limit(), w.failed)
		}
		return fmt.Errorf("%w for %v", errNoProgress, w.limit())
	}
	if len(w.open) == 0 {
		return nil
	}
	return w.stream.askProgress()
}

// prove reads a proof whenever the latest one becomes too old. Those that others bring save the read.
func (w *watch) prove(ctx context.Context) {
	timer := time.NewTimer(w.interval())
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		latest, _, _ := w.engine.store.news()
		if left := w.interval() - time.Since(latest.asOf); left > 0 {
			timer.Reset(left)
			continue
		}
		if err := w.proveOnce(ctx); err != nil {
			timer.Reset(w.patience())
			continue
		}
		timer.Reset(w.interval())
	}
}

func (w *watch) proveOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, w.progress)
	defer cancel()
	w.engine.reconnect()
	err := w.engine.check(ctx, w.keys.key)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failed = err
	return err
}
