package lease

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/singleton-go/singleton/engine"
)

// A call brings the store one step nearer to what a claim wants.
type call int

const (
	callNone  call = iota
	callDone       // nothing is wanted, nothing is there
	callLater      // what must be there first is not yet
	callCreate
	callReplace
	callDelete
)

// A lane bounds how many calls of a kind are under way. Deletions are hand-overs and go first; creations after an outage
// must not starve renewals, which use no lane.
type lane struct {
	queue   []*Claim
	running int
	limit   int
}

const (
	laneDelete = iota
	laneCreate
	laneRegistry
	laneCount
)

func newLanes() [laneCount]lane {
	return [laneCount]lane{laneDelete: {limit: 64}, laneCreate: {limit: 128}, laneRegistry: {limit: 16}}
}

// The functions of this file need mu, except where they call the engine.

// next says what is to be done for c.
func (c *Claim) next() call {
	switch {
	case c.created != 0 && (!c.wanted || c.again):
		return callDelete
	case c.created != 0 && c.dirty:
		return callReplace
	case c.created == 0 && c.unsure && !c.wanted:
		return callCreate // finds out what to delete
	case c.created == 0 && !c.wanted:
		return callDone
	case c.created == 0 && c.after != nil && c.after.created == 0:
		return callLater
	case c.created == 0 && c.token == 0:
		return callCreate
	}
	return callNone
}

// settle sees to it that the next call for c is made.
func (l *Lease) settle(c *Claim) {
	if l.closed {
		if !c.wanted {
			l.forget(c)
		}
		return
	}
	if c.busy != nil || c.waits {
		return
	}
	next := c.next()
	switch {
	case next == callDone:
		l.forget(c)
	case next == callNone:
		c.tellSettled()
	case next == callLater: // finish of the other comes back to it
	case l.gen != nil && !c.queued:
		c.queued = true
		ln := c.lane(next)
		l.lanes[ln].queue = append(l.lanes[ln].queue, c)
		l.pump()
	}
}

func (c *Claim) lane(next call) int {
	switch {
	case c.place.kind == "":
		return laneRegistry
	case next == callDelete:
		return laneDelete
	default:
		return laneCreate
	}
}

func (l *Lease) forget(c *Claim) {
	if l.claims[c.place] != c {
		return
	}
	delete(l.claims, c.place)
	if c.sub != nil {
		l.unsubscribe(c.sub)
	}
	if c.after != nil {
		c.after.then = slices.DeleteFunc(c.after.then, func(x *Claim) bool { return x == c })
	}
	c.tellSettled()
	close(c.gone)
}

func (c *Claim) tellSettled() {
	for _, done := range c.settled {
		close(done)
	}
	c.settled = nil
}

// pump starts as many workers as the lanes allow.
func (l *Lease) pump() {
	for i := range l.lanes {
		ln := &l.lanes[i]
		for n := len(ln.queue); n > 0 && ln.running < ln.limit && l.admits(i); n-- {
			ln.running++
			l.wg.Go(func() { l.work(i) })
		}
	}
}

func (l *Lease) admits(lane int) bool {
	return !l.closed && l.gen != nil && (lane == laneDelete || !l.gen.doubt)
}

// work makes the calls of one lane until it is empty.
func (l *Lease) work(lane int) {
	for {
		c, do := l.take(lane)
		if c == nil {
			return
		}
		do()
	}
}

// take returns a claim that needs a call, and the function that makes it.
func (l *Lease) take(lane int) (*Claim, func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ln := &l.lanes[lane]
	for l.admits(lane) && len(ln.queue) > 0 {
		c := ln.queue[0]
		ln.queue = ln.queue[1:]
		c.queued = false
		if next := c.next(); next >= callCreate && c.busy == nil && l.claims[c.place] == c {
			if c.lane(next) == lane {
				return c, l.prepare(c, next)
			}
			l.settle(c) // what it needs has changed while it waited here
		}
	}
	ln.running--
	return nil, nil
}

// prepare binds the call to the present session and record.
func (l *Lease) prepare(c *Claim, next call) func() {
	gen, value := l.gen, []byte(c.value)
	r := engine.Record{Key: c.key(gen.id), Session: gen.id, Created: c.created}
	c.busy = gen
	if next != callDelete {
		c.dirty = false
	}
	return func() {
		ctx, cancel := context.WithTimeout(l.ctx, l.cfg.Timing.CallTimeout)
		defer cancel()
		var err error
		key := r.Key
		switch next {
		case callCreate:
			r, err = gen.session.Create(ctx, key, value)
		case callReplace:
			_, err = gen.session.Replace(ctx, r, value)
		default:
			err = gen.session.Delete(ctx, r)
		}
		if errors.Is(err, engine.ErrLost) {
			l.lose(gen, err)
		}
		if l.finish(c, gen, next, r, err) {
			l.log.Warn("record not written", "key", key, "err", err)
		}
	}
}

// finish notes the outcome of a call, unless it belongs to an older session. It says whether a person should hear of it.
func (l *Lease) finish(c *Claim, gen *generation, did call, r engine.Record, err error) (news bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.busy != gen || l.gen != gen {
		return false
	}
	c.busy = nil
	switch {
	case did == callCreate && errors.Is(err, engine.ErrExists):
		l.finishTaken(c, r, err)
	case did == callReplace && errors.Is(err, engine.ErrGone):
		l.sawGone(c)
	case err != nil:
		c.dirty = c.dirty || did == callReplace
		c.unsure = c.unsure || did == callCreate && c.place.kind == ""
		l.retry(c)
		return c.failures == 1 && !gen.doubt && !l.closed
	case did == callCreate:
		l.foundCreated(c, r)
	case did == callDelete && c.created == r.Created:
		c.created, c.again = 0, false
	}
	c.failures = 0
	l.settle(c)
	return false
}

func (l *Lease) foundCreated(c *Claim, r engine.Record) {
	c.created, c.known, c.unsure = r.Created, time.Now(), false
	l.checkGone(c)
	for _, next := range c.then {
		l.settle(next)
	}
}

// finishTaken handles a key that already has a record: our own, from a creation whose reply was lost, or another's. Only
// this answer of the store's adopts a record. The mirror would not do: it may still show one that was given up before.
func (l *Lease) finishTaken(c *Claim, r engine.Record, err error) {
	if r.Session == l.gen.id {
		c.dirty = c.dirty || string(r.Value) != c.value
		l.foundCreated(c, r)
		return
	}
	c.wanted, c.unsure, c.err = false, false, fmt.Errorf("record %s of session %s: %w", r.Key, r.Session, err)
	l.flag(c.sub)
}

// retry tries again after a while that grows with every failure.
func (l *Lease) retry(c *Claim) {
	c.failures = min(c.failures+1, 8)
	c.waits = true
	wait := min(l.cfg.Timing.CallTimeout/64<<c.failures, l.cfg.Timing.Renewal)
	time.AfterFunc(jitter(wait), func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		c.waits = false
		if l.claims[c.place] == c {
			l.settle(c)
		}
	})
}
