package lease

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/singleton-go/singleton/engine"
)

var errSilent = errors.New("no progress")

// keepMirror watches the election range for as long as the lease lives. What was mirrored stays until the next reset: an
// old view elects nobody, since it does not prolong trust.
func (l *Lease) keepMirror() {
	for wait := l.cfg.Timing.CallTimeout / 16; ; wait = min(2*wait, l.cfg.Timing.CallTimeout) {
		fresh, err := l.watchOnce()
		if l.ctx.Err() != nil {
			return
		}
		l.log.Warn("watch broke", "range", l.cfg.Range, "err", err)
		if fresh {
			wait = l.cfg.Timing.CallTimeout / 16
		}
		if !l.sleep(jitter(wait)) {
			return
		}
	}
}

// watchOnce applies updates until the watch breaks, or says nothing for so long that a new one must be tried before the
// stop line comes. It says whether there was any update.
func (l *Lease) watchOnce() (fresh bool, err error) {
	t := l.cfg.Timing
	patience := t.Renewal + t.CallTimeout
	ctx, cancel := context.WithCancelCause(l.ctx)
	defer cancel(nil)
	dog := time.AfterFunc(patience, func() { cancel(fmt.Errorf("%w within %v", errSilent, patience)) })
	defer dog.Stop()
	for u, err := range l.cfg.Engine.Watch(ctx, engine.WatchOptions{Prefix: l.cfg.Range, Progress: t.Renewal}) {
		if err != nil {
			return fresh, err
		}
		if !u.AsOf.IsZero() {
			dog.Reset(patience)
		}
		fresh = true
		l.apply(u)
	}
	return fresh, context.Cause(ctx)
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
		for _, c := range l.claims {
			c.seen = 0
		}
	}
	for _, change := range u.Changes {
		l.change(change, touched)
	}
	if u.Reset {
		for _, c := range l.claims {
			l.checkGone(c)
		}
	}
	for name, q := range touched {
		l.flagQueue(q)
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
	q := l.queues[p.election]
	if q == nil {
		if change.Deleted {
			return
		}
		q = &queue{}
		l.queues[strings.Clone(p.election)] = q
	}
	touched[p.election] = q
	if change.Deleted {
		q.drop(p.kind, p.name)
		l.sawDeleted(p)
		return
	}
	e := entryOf(p.name, change.Record)
	q.put(p.kind, e)
	l.sawRecord(p, e)
}

// mark notes that the mirror was complete at asOf. It prolongs the trust in what is held, and revives nothing.
func (l *Lease) mark(asOf time.Time) {
	if asOf.IsZero() || !asOf.After(l.marked.at) {
		return
	}
	l.checkStopLine()
	now := l.clock.now()
	// Suspension since the last mark counts against this one: it can't be told on which side of asOf it was.
	l.marked = moment{at: asOf, asleep: min(l.read.asleep, now.asleep)}
	l.read = now
	for _, c := range l.claims {
		if c.created != 0 && c.seen == 0 && c.known.Before(asOf) {
			l.sawGone(c) // created, deleted, and all of it missed
		}
	}
	l.armStopLine()
	l.flagOwn()
}
