package lease

import (
	"strings"
	"time"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/internal/names"
)

// keepMirror watches the election range for as long as the lease lives. What was mirrored stays until the next reset: an
// old view elects nobody, since it does not prolong trust.
func (l *Lease) keepMirror() {
	f := Follower{Engine: l.cfg.Engine, Prefix: l.cfg.Range, Timing: l.cfg.Timing, Logger: l.log, Apply: l.apply}
	if err := f.Run(l.ctx); err != nil {
		l.park(err)
	}
}

// apply brings the mirror up to date, and only then judges what this means for the own claims.
func (l *Lease) apply(u engine.Update) {
	l.mu.Lock()
	defer l.mu.Unlock()
	touched := map[string]*queue{}
	if u.Reset {
		for name, q := range l.queues {
			q.clear()
			touched[name] = q
		}
		l.shares.clear()
		for c := range l.claims.all() {
			c.seen = 0
		}
	}
	for _, change := range u.Changes {
		l.change(change, touched)
	}
	if u.Reset {
		for c := range l.claims.all() {
			l.checkGone(c)
			l.settle(c)
		}
	}
	for name, q := range touched {
		l.flagQueue(name, q)
		if q.idle() {
			delete(l.queues, name)
		}
	}
	if u.Reset || len(u.Changes) > 0 {
		l.flagAll()
	}
	l.loaded = l.loaded || u.Reset
	l.mark(u.AsOf)
}

func (l *Lease) change(change engine.Change, touched map[string]*queue) {
	p, ok := l.place(change.Record.Key)
	if !ok {
		return
	}
	var e entry
	if !change.Deleted {
		e = l.entryOf(p, change.Record)
	}
	if p.kind == share {
		l.shares.change(p.name, e, change.Deleted)
	} else if q := l.changeQueue(p, e, change.Deleted); q != nil {
		touched[p.election] = q
	}
	if at := l.spot(p, change.Record.Key); change.Deleted {
		l.sawDeleted(at)
	} else {
		l.sawRecord(at, e)
	}
}

// changeQueue changes the mirror of an election, and returns it; nil where there was nothing to delete.
func (l *Lease) changeQueue(p place, e entry, deleted bool) *queue {
	q := l.queues[p.election]
	switch {
	case q != nil:
	case deleted:
		return nil
	default:
		q = &queue{}
		l.queues[strings.Clone(p.election)] = q
	}
	before := q.leader()
	if deleted {
		q.drop(p.kind, p.name)
	} else {
		q.put(p.kind, e)
	}
	if names.OfUnit(p.election) {
		l.shares.leads(before, q.leader())
	}
	return q
}

// mark notes that the mirror was complete at asOf.
func (l *Lease) mark(asOf time.Time) {
	if asOf.IsZero() || !asOf.After(l.marked.at) {
		return
	}
	now := l.clock.now()
	if !l.next.at.After(asOf) {
		l.before, l.next = l.next, now
	}
	// Suspension since the reading before asOf counts against this mark: it can't be told on which side of asOf it was.
	l.prolong(func() { l.marked = moment{at: asOf, asleep: min(l.before.asleep, now.asleep)} })
	if l.progress != nil {
		close(l.progress)
		l.progress = nil
	}
	for c := range l.claims.all() {
		if c.kind != registry && c.created != 0 && c.seen != c.created && l.began.Add(c.known).Before(asOf) {
			l.sawGone(c) // created, deleted, and all of it missed
			l.settle(c)
		}
	}
}
