package lease

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// A Claim is a record that this process wants in the store: the lease creates it, keeps it across sessions, and deletes it
// when it is no longer wanted. What is in the store and on no claim is swept away by the same means.
type Claim struct {
	l     *Lease
	place place
	value string
	sub   *Subscription

	wanted bool
	again  bool // to be deleted and created anew, at the tail
	dirty  bool // the value is to be written
	unsure bool // a creation got no reply, and no mirror would show its record

	after *Claim   // the record that must be there first
	then  []*Claim // those that wait for this record

	created uint64    // of the record, as a reply told; 0 while there is none
	known   time.Time // when that was learned
	seen    uint64    // of the record in the mirror; 0 while there is none
	highest uint64    // the highest Created ever mirrored here in this session

	token  uint64                  // once held, the claim is bound to this record for ever
	cancel context.CancelCauseFunc // until the hold has ended

	busy     *generation // a call is under way on this one's session
	queued   bool
	waits    bool // for its next try after a failure
	failures int
	err      error
	settled  []chan struct{}
	gone     chan struct{}
}

// Candidate claims a place in the queue of this election. The value is the candidate's ID. See [Subscription] for changed,
// which is called after changes to this election and to the trust in the session.
func (l *Lease) Candidate(election, value string, changed func()) (*Claim, error) {
	return l.claim(place{kind: Candidate, election: election}, value, changed)
}

// Wish claims the one place for a wish to this election's leader. If another session has it, the claim ends with an error.
func (l *Lease) Wish(election, value string, changed func()) (*Claim, error) {
	return l.claim(place{kind: Wish, election: election, name: "ask"}, value, changed)
}

// Record claims a record outside the election range. It is not mirrored.
func (l *Lease) Record(key, value string) (*Claim, error) {
	return l.claim(place{name: key}, value, nil)
}

// RecordAfter is [Lease.Record] for a record that is created only when that of first is there, in every session anew.
func (l *Lease) RecordAfter(first *Claim, key, value string) (*Claim, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.claimAfter(first, place{name: key}, value, nil)
}

func (l *Lease) claim(p place, value string, changed func()) (*Claim, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.claimAfter(nil, p, value, changed)
}

func (l *Lease) claimAfter(first *Claim, p place, value string, changed func()) (*Claim, error) {
	if l.closing {
		return nil, ErrClosed
	}
	if l.claims[p] != nil {
		return nil, fmt.Errorf("%s: %w", p.election+p.name, ErrDuplicate)
	}
	c := &Claim{l: l, place: p, value: value, wanted: true, after: first, gone: make(chan struct{})}
	if first != nil {
		first.then = append(first.then, c)
	}
	if changed != nil {
		c.sub = &Subscription{l: l, queue: p.election, fn: changed}
		l.subscribe(c.sub)
	}
	l.claims[p] = c
	l.settle(c)
	l.wakeSession()
	return c, nil
}

// sweep makes a claim that nobody wants on a record that nothing owns, so that it is deleted.
func (l *Lease) sweep(p place, e Entry) *Claim {
	c := &Claim{l: l, place: p, created: e.Created, known: time.Now(), gone: make(chan struct{})}
	l.claims[p] = c
	return c
}

// key is the claim's key in the session with this ID.
func (c *Claim) key(session string) string {
	switch p := c.place; {
	case p.kind == "":
		return p.name
	case p.name == "":
		return c.l.cfg.Range + p.kind + "/" + p.election + "/" + session
	default:
		return c.l.cfg.Range + p.kind + "/" + p.election + "/" + p.name
	}
}

// Set changes the value of the record.
func (c *Claim) Set(value string) {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	if c.value != value {
		c.value, c.dirty = value, true
		c.l.settle(c)
	}
}

// Requeue gives up the place in the queue, as the mirror shows it, for a new one at its tail. It does nothing once the claim
// is held, or while the mirror shows an older place.
func (c *Claim) Requeue() {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	if c.token == 0 && c.created != 0 && c.seen == c.created {
		c.again = true
		c.l.settle(c)
	}
}

// Leave gives the record up. It is deleted as soon as the store can be reached, unless it vanishes first; Gone tells. A
// hold ends with this cause, if it hasn't ended yet; its owner must have stopped working under it.
func (c *Claim) Leave(cause error) {
	l := c.l
	l.mu.Lock()
	defer l.mu.Unlock()
	c.wanted = false
	l.endHold(c, cause)
	l.settle(c)
	l.checkEmpty()
}

// Gone is closed when the claim has been left and its record is known to be gone, or the lease is closed.
func (c *Claim) Gone() <-chan struct{} { return c.gone }

// Err says why the claim ended by itself, if it did.
func (c *Claim) Err() error {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	return c.err
}

// Settled waits until the store holds what is wanted.
func (c *Claim) Settled(ctx context.Context) error {
	c.l.mu.Lock()
	done := make(chan struct{})
	c.settled = append(c.settled, done)
	c.l.settle(c)
	c.l.mu.Unlock()
	select {
	case <-done:
		return c.Err()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Hold begins the hold of a claim that has won: its own live record was seen at the head of the queue, and the session is
// trusted. The context, a child of parent, ends at the stop line, and at once when the loss is known; its cause is then
// [ErrLost]. A claim is held once, until it is left.
func (c *Claim) Hold(parent context.Context) (ctx context.Context, token uint64, ok bool) {
	l := c.l
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing || !c.wanted || c.again || c.token != 0 || !l.heads(c) || l.remaining() <= 0 {
		return nil, 0, false
	}
	ctx, c.cancel = context.WithCancelCause(parent)
	c.token = c.created
	l.running++
	l.armStopLine()
	return ctx, c.token, true
}

// Heads says whether the claim's own record is at the head of its queue.
func (c *Claim) Heads() bool {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	return c.l.heads(c)
}

// Check ends the hold if the stop line has passed and its timer has not come yet, as after a suspension.
func (c *Claim) Check() {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	c.l.checkStopLine()
}

// Clean says whether the last leader before this claim was seen to go with its runner returned.
func (c *Claim) Clean() bool {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	q := c.l.queues[c.place.election]
	return q != nil && q.gone != 0 && slices.ContainsFunc(q.released, func(e Entry) bool {
		return e.Value == strconv.FormatUint(q.gone, 10)
	})
}

func (c *Claim) held() bool { return c.token != 0 && c.wanted }

func (l *Lease) heads(c *Claim) bool {
	q := l.queues[c.place.election]
	return l.gen != nil && c.created != 0 && q != nil && len(q.candidates) > 0 &&
		q.candidates[0].Created == c.created && q.candidates[0].Session == l.gen.id
}

// What the mirror shows of own records. These need mu.

func (l *Lease) sawRecord(p place, e Entry) {
	if l.gen == nil || e.Session != l.gen.id {
		return
	}
	p = l.own(p)
	c := l.claims[p]
	if c == nil {
		c = l.sweep(p, e)
	}
	c.seen, c.highest = e.Created, max(c.highest, e.Created)
	l.settle(c)
}

func (l *Lease) sawDeleted(p place) {
	if c := l.claims[l.own(p)]; c != nil {
		c.seen = 0
		l.checkGone(c)
	}
}

// checkGone notices that the record was seen, and is seen no longer.
func (l *Lease) checkGone(c *Claim) {
	if c.created != 0 && c.seen == 0 && c.highest >= c.created {
		l.sawGone(c)
	}
}

func (l *Lease) sawGone(c *Claim) {
	c.created, c.again = 0, false
	l.endHold(c, fmt.Errorf("%w: its record was removed", ErrLost))
	l.settle(c)
}

// own turns the name of a place into that of a claim.
func (l *Lease) own(p place) place {
	if l.gen != nil && p.name == l.gen.id {
		p.name = ""
	}
	return p
}

// restart forgets what was known in the session before.
func (c *Claim) restart() {
	c.created, c.seen, c.highest = 0, 0, 0
	c.again, c.dirty, c.unsure, c.waits, c.busy, c.failures = false, false, false, false, nil, 0
}
