package lease

import (
	"context"
	"fmt"
	"time"
)

// A Claim is a record that this process wants in the store: the lease creates it, keeps it across sessions, and deletes it
// when it is no longer wanted. What is in the store and on no claim is swept away by the same means.
type Claim struct {
	l       *Lease
	of      string // see spot
	value   string
	made    func() string // makes the value whenever it is written; nil for one that is kept
	changed func()        // of its owner, as that of a [Subscription]; nil where nobody wants to know, or when it is over

	kind     kind
	wanted   bool
	again    bool // to be deleted and created anew, at the tail
	dirty    bool // the value is to be written
	unsure   bool // a creation got no reply, and no mirror would show its record
	queued   int8 // the lane that it waits in
	flagged  bool // its owner is to be called
	over     bool // nothing of it is left
	failures int8 // of calls, one after the other

	created uint64        // of the record, as a reply told; 0 while there is none
	known   time.Duration // when that was learned, since the lease was begun
	seen    uint64        // of the record in the mirror; 0 while there is none
	highest uint64        // the highest creation ever mirrored here in this session
	removed uint64        // the highest creation that is known to be gone

	token  uint64                  // once held, the claim is bound to this record for ever
	cancel context.CancelCauseFunc // until the hold has ended

	busy   *generation // a call is under way on this one's session
	ending *ending     // made by who asks for it, or by an error
}

// An ending is what there is to know of a claim's end.
type ending struct {
	gone chan struct{} // closed when nothing is left
	err  error         // why the claim ended by itself
}

// bonds are what few claims have, and so cost the others nothing.
type bonds struct {
	heir    map[*Claim]*Claim          // the next claim on the same spot, which begins when this one, no longer wanted, is gone
	after   map[*Claim]*Claim          // the record that must be there first
	then    map[*Claim][]*Claim        // those that wait for this one's record
	settled map[*Claim][]chan struct{} // those to tell when the store holds what is wanted
	pause   map[*Claim]*time.Timer     // until the next try after a failure
	id      map[*Claim]string          // of a wish
}

func newBonds() bonds {
	return bonds{
		heir: map[*Claim]*Claim{}, after: map[*Claim]*Claim{}, then: map[*Claim][]*Claim{}, settled: map[*Claim][]chan struct{}{},
		pause: map[*Claim]*time.Timer{}, id: map[*Claim]string{},
	}
}

// theWish is the last part of the key of each wish, so that there is no more than one for an election.
const theWish = "ask"

// Candidate claims a place in the queue of this election. The value is the candidate's ID. See [Subscription] for changed, which is
// called at the head of the queue after changes to this election and to the trust in the session, and elsewhere only while
// there is a wish. [Lease.Close] ends a claim that isn't held.
func (l *Lease) Candidate(election, value string, changed func()) (*Claim, error) {
	return l.claim(spot{candidate, election}, value, changed)
}

// Wish claims the one place for a wish to this election's leader. If another session has it, the claim ends with
// [engine.ErrExists]. The value has the id in it, and so has the answer: what this session had wished before is not taken for it.
func (l *Lease) Wish(election, id, value string, changed func()) (*Claim, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := &Claim{kind: wish, of: election, value: value, changed: changed}
	l.bonds.id[c] = id
	if _, err := l.enter(c, nil); err != nil {
		delete(l.bonds.id, c)
		return nil, err
	}
	return c, nil
}

// Record claims a record outside the election range. It is not mirrored. While another session has the place, it waits.
func (l *Lease) Record(key, value string) (*Claim, error) {
	return l.claim(spot{registry, key}, value, nil)
}

// RecordOf is [Lease.Record] for a value that changes: it is made by that function whenever it is to be written, so that it needn't
// be kept, and what changes while it waits is made once. See [Claim.Changed].
func (l *Lease) RecordOf(key string, value func() string) (*Claim, error) {
	return l.claimAs(Claim{of: key, made: value}, nil)
}

// RecordAfter is [Lease.Record] for a record that is created only when that of first is there, in every session anew.
func (l *Lease) RecordAfter(first *Claim, key, value string) (*Claim, error) {
	return l.claimAs(Claim{of: key, value: value}, first)
}

func (l *Lease) claim(at spot, value string, changed func()) (*Claim, error) {
	return l.claimAs(Claim{kind: at.kind, of: at.of, value: value, changed: changed}, nil)
}

func (l *Lease) claimAs(c Claim, after *Claim) (*Claim, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.enter(&c, after)
}

// enter makes a claim of what its maker has said. One on the same spot that is on its way out is waited for; its owner wants
// it no longer, or it never had one. It needs mu.
func (l *Lease) enter(c, after *Claim) (*Claim, error) {
	before := l.claims.at(c.spot())
	switch {
	case l.closing:
		return nil, ErrClosed
	case before != nil && (before.wanted || l.bonds.heir[before] != nil):
		return nil, fmt.Errorf("%s: %w", c.of, ErrDuplicate)
	}
	c.l, c.wanted = l, true
	if after != nil {
		l.bonds.after[c] = after
		l.bonds.then[after] = append(l.bonds.then[after], c)
	}
	if before != nil {
		l.bonds.heir[before] = c
	} else {
		l.claims.put(c.spot(), c)
	}
	l.settle(c)
	l.wakeSession()
	return c, nil
}

func (c *Claim) spot() spot { return spot{c.kind, c.of} }

// key is the claim's key in the session with this ID.
func (c *Claim) key(session string) string {
	beginning := c.l.cfg.Range + c.kind.String() + "/"
	switch c.kind {
	case registry:
		return c.of
	case share:
		return beginning + session
	case wish:
		return beginning + c.of + "/" + theWish
	default:
		return beginning + c.of + "/" + session
	}
}

// Set changes the value of the record.
func (c *Claim) Set(value string) {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	c.set(value)
}

// Changed says that the value of a [Lease.RecordOf] has changed. The function that makes it is called later, without any lock.
func (c *Claim) Changed() {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	c.dirty = true
	c.l.settle(c)
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
	if c.wanted {
		c.wanted = false
		c.stopPause() // what kept a creation from its next try doesn't keep a deletion from its first
	}
	l.endHold(c, cause)
	l.settle(c)
	l.checkEmpty()
}

// Gone is closed when the claim has been left, or has ended by itself, and its record is known to be gone, or when the lease
// is closed.
func (c *Claim) Gone() <-chan struct{} {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	return c.end().gone
}

// Err says why the claim ended by itself, if it did.
func (c *Claim) Err() error {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	if c.ending == nil {
		return nil
	}
	return c.ending.err
}

// Settled waits until the store holds what is wanted.
func (c *Claim) Settled(ctx context.Context) error {
	c.l.mu.Lock()
	done := make(chan struct{})
	c.l.bonds.settled[c] = append(c.l.bonds.settled[c], done)
	c.l.settle(c)
	c.l.mu.Unlock()
	select {
	case <-done:
		return c.Err()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// The functions below need mu.

func (c *Claim) set(value string) {
	if c.value != value {
		c.value, c.dirty = value, true
		c.l.settle(c)
	}
}

// end returns what there is to know of the claim's end.
func (c *Claim) end() *ending {
	if c.ending == nil {
		c.ending = &ending{gone: make(chan struct{})}
		if c.over {
			close(c.ending.gone)
		}
	}
	return c.ending
}

// fail ends a claim that its owner has not left.
func (c *Claim) fail(err error) {
	if c.wanted {
		c.wanted, c.end().err = false, err
		c.stopPause()
	}
}

func (c *Claim) stopPause() {
	if pause := c.l.bonds.pause[c]; pause != nil {
		pause.Stop()
		delete(c.l.bonds.pause, c)
	}
}

// waits says whether another record must be there first.
func (c *Claim) waits() bool {
	first := c.l.bonds.after[c]
	return first != nil && first.created == 0
}

func (c *Claim) tellSettled() {
	for _, done := range c.l.bonds.settled[c] {
		close(done)
	}
	delete(c.l.bonds.settled, c)
}

// restart forgets what was known in the session before.
func (c *Claim) restart() {
	c.created, c.seen, c.highest, c.removed = 0, 0, 0, 0
	c.again, c.dirty, c.unsure, c.busy, c.failures = false, false, false, nil, 0
	c.stopPause()
}
