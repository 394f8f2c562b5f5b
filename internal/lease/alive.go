package lease

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Alive returns an error if one of the goroutines that keep this process in the cluster stands still, or has given up for good. A
// store that is out of reach is no such error: they go on trying.
func (l *Lease) Alive(ctx context.Context) error {
	if err := l.tries(); err != nil {
		return err
	}
	told := make(chan struct{})
	s := l.Subscribe("", sync.OnceFunc(func() { close(told) }))
	defer s.Cancel()
	select {
	case <-told:
		return nil
	case <-l.ctx.Done():
		return ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("changes are not announced: %w", context.Cause(ctx))
	}
}

// tries says whether the session is cared for: it is opened or renewed again and again.
func (l *Lease) tries() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.cfg.Timing
	longest := 2 * (t.Renewal + t.CallTimeout) // between two tries, with the jitter and a slow call
	switch idle := time.Since(l.tried); {
	case l.parked != nil:
		return l.parked
	case !l.claims.none() && !l.closing && idle > longest:
		return fmt.Errorf("session not cared for since %v", idle.Round(time.Millisecond))
	}
	return nil
}

// try notes that the session is being cared for.
func (l *Lease) try() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tried = time.Now()
}
