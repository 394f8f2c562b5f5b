package lease

import "fmt"

// What the mirror shows of this process's own records. All functions of this file need mu.

// sawRecord notes that the mirror shows a record.
func (l *Lease) sawRecord(p place, e Entry) {
	if l.gen == nil || e.Session != l.gen.id {
		return
	}
	p = l.own(p)
	c := l.claims.at(p)
	if c == nil {
		c = l.sweep(p, e)
	}
	c.seen, c.highest = e.Created, max(c.highest, e.Created)
	l.checkGone(c)
	l.settle(c)
}

// sweep makes a claim that nobody wants on a record that nothing owns, so that it is deleted.
func (l *Lease) sweep(p place, e Entry) *Claim {
	c := &Claim{l: l, place: p, created: e.Created, known: l.age()}
	l.claims.put(p, c)
	return c
}

// sawDeleted notes that the mirror shows a record no longer.
func (l *Lease) sawDeleted(p place) {
	if c := l.claims.at(l.own(p)); c != nil {
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

// own turns the name of a place into that of a claim.
func (l *Lease) own(p place) place {
	if l.gen != nil && p.name == l.gen.id {
		p.name = ""
	}
	return p
}
