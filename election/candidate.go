package election

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/singleton-go/singleton/internal/lease"
)

// A Candidate stands in an election once: it waits in the queue, leads for one term, and leaves. Waiting costs no goroutine,
// and no traffic.
type Candidate struct {
	e       *Election
	base    context.Context // of its term
	elected func(Term)

	mu    sync.Mutex
	claim *lease.Claim
	term  *term

	delay  *time.Timer // the takeover delay under way
	waited bool        // and when it is over

	answering bool        // an answer to a wish is under way
	patience  *time.Timer // for candidates that are to make way
	expired   bool
}

// Enter puts this process into the queue and returns at once. When it has won, elected is called, once, on a goroutine of the
// library's that it must not block; the term's context has the values of ctx, not its end. It serves programs with very many
// elections; others are better off with [Election.Lead].
//
// Whoever enters must leave, elected or not. It refuses a second candidacy of this process with [ErrCandidate].
func (e *Election) Enter(ctx context.Context, elected func(Term)) (*Candidate, error) {
	if e.err != nil {
		return nil, e.err
	}
	c := &Candidate{e: e, base: context.WithoutCancel(ctx), elected: elected}
	c.mu.Lock()
	defer c.mu.Unlock()
	claim, err := e.l.Candidate(e.name, e.id, c.look)
	switch {
	case errors.Is(err, lease.ErrDuplicate):
		return nil, fmt.Errorf("election %s: %w", e.name, ErrCandidate)
	case err != nil:
		return nil, fmt.Errorf("election %s: %w", e.name, err)
	}
	c.claim = claim
	return c, nil
}

// Leave gives up the place in the queue, or resigns; whoever works under the term must have stopped. It waits until the
// record is gone, for a bounded time and whether or not ctx has ended, and is safe to repeat. An error says that the record
// could not be removed yet: this goes on in the background, and ends with the session at the latest.
func (c *Candidate) Leave(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*c.e.l.Timing().CallTimeout)
	defer cancel()
	c.mu.Lock()
	stopTimer(c.delay)
	stopTimer(c.patience)
	t := c.term
	c.mu.Unlock()
	if t != nil {
		t.end(ErrResigned)
		t.release(ctx)
	}
	c.claim.Leave(ErrResigned)
	select {
	case <-c.claim.Gone():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("election %s: record not removed yet: %w", c.e.name, context.Cause(ctx))
	}
}

// Gone is closed when the candidate has left and its record is gone, so that this process may enter again.
func (c *Candidate) Gone() <-chan struct{} { return c.claim.Gone() }

// look sees what has changed: it begins the term, or follows a wish.
func (c *Candidate) look() {
	c.mu.Lock()
	begun := c.step()
	c.mu.Unlock()
	if begun != nil {
		c.elected(Term{begun})
	}
}

func (c *Candidate) step() *term {
	if c.term != nil {
		c.follow(c.term)
		return nil
	}
	if c.claim.Heads() == 0 {
		stopTimer(c.delay)
		c.delay, c.waited = nil, false
		c.makeWay()
		return nil
	}
	if !c.delayOver() {
		return nil
	}
	lost, token, ok := c.claim.Hold(c.base)
	if !ok {
		return nil
	}
	c.term = newTerm(c, lost, token)
	return c.term
}

// delayOver says whether the term may begin as far as the predecessor's last effects go.
func (c *Candidate) delayOver() bool {
	if c.e.delay == 0 || c.waited || c.claim.Clean() {
		return true
	}
	if c.delay == nil {
		c.delay = time.AfterFunc(c.e.delay, func() {
			c.mu.Lock()
			c.waited = c.delay != nil
			c.mu.Unlock()
			c.look()
		})
	}
	return false
}

func stopTimer(t *time.Timer) {
	if t != nil {
		t.Stop()
	}
}
