package lease

import (
	"context"
	"fmt"
)

// Hold begins the hold of a claim that has won: its own live record was seen at the head of the queue, and the session is
// trusted. The context, a child of parent, ends at the stop line, and at once when the loss is known; its cause is then
// [ErrLost]. A claim is held once, until it is left.
func (c *Claim) Hold(parent context.Context) (ctx context.Context, token uint64, ok bool) {
	l := c.l
	l.mu.Lock()
	defer l.mu.Unlock()
	if !c.wanted || c.again || c.token != 0 || !l.heads(c) {
		return nil, 0, false
	}
	left := l.review()
	if left <= 0 {
		return nil, 0, false
	}
	ctx, c.cancel = context.WithCancelCause(parent)
	c.token = c.created
	if l.running++; l.running == 1 {
		l.setStop(left)
	}
	return ctx, c.token, true
}

// Heads returns the number of the claim's own record where it is at the head of its queue, and else 0.
func (c *Claim) Heads() uint64 {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	if !c.l.heads(c) {
		return 0
	}
	return c.created
}

// Check ends the hold if the stop line has passed and its timer has not come yet, as after a suspension.
func (c *Claim) Check() {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	c.l.review()
}

// Sure returns nil if the record that is held is there still and this session trusted, by a fresh reading of the clocks: also while the
// lease is being closed, which has ended the hold.
func (c *Claim) Sure() error {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	if c.token == 0 || c.created != c.token || c.l.remaining() <= 0 {
		return fmt.Errorf("election %s: token %d: %w", c.of, c.token, ErrLost)
	}
	return nil
}

// Clean says whether the last leader before this claim was seen to go with its runner returned.
func (c *Claim) Clean() bool {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	q := c.l.queues[c.of]
	return q != nil && q.clean
}

// The functions below need mu.

// held says whether somebody may still work under the claim, also when the hold has ended.
func (c *Claim) held() bool { return c.token != 0 && c.wanted }

func (l *Lease) heads(c *Claim) bool {
	q := l.queues[c.of]
	return q != nil && q.own == c && q.heads()
}

// endHolds ends the context of every hold with this cause.
func (l *Lease) endHolds(cause error) {
	for c := range l.claims.all() {
		l.endHold(c, cause)
	}
}

func (l *Lease) endHold(c *Claim, cause error) {
	if c.cancel == nil {
		return
	}
	c.cancel(fmt.Errorf("election %s: token %d: %w", c.of, c.token, cause))
	c.cancel = nil
	l.flagClaim(c)
	l.running--
	if l.running == 0 && l.stop != nil { // nil where the first hold ever came with the stop line
		l.stop.Stop()
	}
}
