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
	base    context.Context // of its term, but for its end
	elected func(Term)

	mu    sync.Mutex
	claim *lease.Claim
	left  bool
	head  uint64 // its record, while that is at the head of the queue
	delay *alarm // the takeover delay of that record; nil where there is none
	term  *term
}

// Enter puts this process into the queue and returns at once. When it has won, elected is called, once, on a goroutine of the
// library's that it must not block; the term's context has the values of ctx, not its end. It serves programs with very many
// elections; others are better off with [Election.Lead].
//
// Whoever enters must leave, elected or not. It refuses a second candidacy of this process with [ErrCandidate]. Once the first
// has left it is none any more: the second then gets its place in the queue as soon as the record of the first is gone.
func (e *Election) Enter(ctx context.Context, elected func(Term)) (*Candidate, error) {
	if err := e.err(); err != nil {
		return nil, err
	}
	c := &Candidate{e: e, base: ctx, elected: elected}
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
	if t := c.stopLooking(); t != nil {
		t.stop(ErrResigned)
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

// stopLooking sees to it that no term begins any more, and returns the one that has begun.
func (c *Candidate) stopLooking() *term {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = true
	c.delay.stop()
	if c.term != nil {
		c.term.patience.stop()
	}
	return c.term
}

// Gone is closed when the candidate has left and its record is gone, or when this process has closed its way to the store.
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
	if c.left {
		return nil
	}
	if c.term != nil {
		c.term.follow()
		return nil
	}
	if head := c.claim.Heads(); head != c.head {
		c.head = head
		c.delay.stop()
	}
	if c.head == 0 {
		c.makeWay()
		return nil
	}
	if !c.delayOver() {
		return nil
	}
	lost, token, ok := c.claim.Hold(context.WithoutCancel(c.base))
	if !ok {
		return nil
	}
	c.term = newTerm(lost, c, token)
	return c.term
}

// delayOver says whether the term may begin as far as the predecessor's last effects go.
func (c *Candidate) delayOver() bool {
	if c.e.delay() == 0 || c.claim.Clean() {
		return true
	}
	if c.delay == nil {
		c.delay = &alarm{}
	}
	if c.delay.rang {
		return true
	}
	c.delay.set(c.e.delay(), c)
	return false
}

// An alarm has a candidate look again after a while. The candidate's mutex guards it.
type alarm struct {
	timer *time.Timer
	rang  bool
}

// set sets the alarm, if it isn't set.
func (a *alarm) set(d time.Duration, c *Candidate) {
	if a.timer != nil {
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(d, func() {
		c.mu.Lock()
		a.rang = a.rang || a.timer == timer
		c.mu.Unlock()
		c.look()
	})
	a.timer = timer
}

func (a *alarm) stop() {
	if a == nil {
		return
	}
	if a.timer != nil {
		a.timer.Stop()
	}
	*a = alarm{}
}
