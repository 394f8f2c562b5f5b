package lease

import (
	"fmt"
	"strings"
)

// What the mirror shows of this process's own records. All functions of this file need mu.

// sawRecord notes that the mirror shows a record.
func (l *Lease) sawRecord(at spot, e entry) {
	if l.gen == nil || e.session.Value() != l.gen.id {
		return
	}
	c := l.claims.at(at)
	if c == nil {
		c = l.sweep(at, e)
	}
	c.seen, c.highest = e.created, max(c.highest, e.created)
	l.checkGone(c)
	l.settle(c)
}

// sweep makes a claim that nobody wants on a record that nothing owns, so that it is deleted.
func (l *Lease) sweep(at spot, e entry) *Claim {
	at.of = strings.Clone(at.of)
	c := &Claim{l: l, kind: at.kind, of: at.of, created: e.created, known: l.age()}
	l.claims.put(at, c)
	return c
}

// sawDeleted notes that the mirror shows a record no longer.
func (l *Lease) sawDeleted(at spot) {
	if c := l.claims.at(at); c != nil {
		c.seen = 0
		l.checkGone(c)
		l.settle(c)
	}
}

// checkGone notices that the record was there, and now is not, or another is in its place. An older one in its place says
// only that the mirror is behind.
func (l *Lease) checkGone(c *Claim) {
	if c.created != 0 && c.seen != c.created && c.highest >= c.created {
		l.sawGone(c)
	}
}

func (l *Lease) sawGone(c *Claim) {
	c.noteRemoved(c.created)
	l.endHold(c, fmt.Errorf("%w: its record was removed", ErrLost))
}

// noteRemoved notes that this record is gone.
func (c *Claim) noteRemoved(created uint64) {
	c.removed = max(c.removed, created)
	if c.created == created {
		c.created, c.again = 0, false
	}
}

// spot says which claim would be on a place, whose key this is. One where this process puts nothing is known by its key.
func (l *Lease) spot(p place, key string) spot {
	if p.kind == wish && p.name == theWish || l.gen != nil && p.name == l.gen.id {
		return spot{p.kind, p.election}
	}
	return spot{registry, key}
}
