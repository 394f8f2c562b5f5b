package lease

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
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

// The functions of this file need mu, except where they call the engine.

// next says what is to be done for c.
func (c *Claim) next() call {
	switch {
	case c.doomed() != 0:
		return callDelete
	case c.created != 0 && c.dirty:
		return callReplace
	case c.created != 0:
		return callNone
	case !c.wanted && c.unsure:
		return callCreate // finds out what to delete
	case !c.wanted:
		return callDone
	case c.token != 0:
		return callNone // lost, and its owner has not left it yet
	case c.waits():
		return callLater
	}
	return callCreate
}

// doomed is the record that is to be deleted, 0 if there is none: the claim's own, or one whose creation seemed to have
// failed and was seen to land when it was too late.
func (c *Claim) doomed() uint64 {
	switch {
	case c.created != 0 && (!c.wanted || c.again):
		return c.created
	case c.created == 0 && (!c.wanted || c.token != 0) && c.seen > c.removed:
		return c.seen
	}
	return 0
}

// settle sees to it that the next call for c is made, or that c is forgotten when there is none.
func (l *Lease) settle(c *Claim) {
	next := c.next()
	switch {
	case l.claims.at(c.spot()) != c: // it waits for the one before it, or has gone
		if !c.wanted {
			l.forget(c)
		}
	case l.closed:
		c.fail(ErrClosed)
		l.forget(c)
	case c.busy != nil:
	case next == callDone:
		l.forget(c)
	case l.bonds.pause[c] != nil:
	case next == callNone:
		c.tellSettled()
	case next == callLater: // foundRecord of the other comes back to it
	case l.gen != nil && c.queued != c.lane(next):
		c.queued = c.lane(next)
		l.lanes[c.queued].queue = append(l.lanes[c.queued].queue, c)
		l.pump()
	}
}

// forget lets a claim go that has nothing in the store, and lets the next one begin on the same place.
func (l *Lease) forget(c *Claim) {
	c.tellSettled()
	first, heir := l.claims.at(c.spot()), l.bonds.heir[c]
	switch {
	case first == c:
		l.claims.put(c.spot(), heir)
		delete(l.bonds.heir, c)
	case first != nil && l.bonds.heir[first] == c:
		delete(l.bonds.heir, first)
	default:
		return // forgotten before
	}
	c.changed = nil
	delete(l.bonds.id, c)
	l.unbind(c)
	if c.over = true; c.ending != nil {
		close(c.ending.gone)
	}
	if heir != nil {
		l.settle(heir)
	}
}

// unbind takes c from the list of what it has waited for.
func (l *Lease) unbind(c *Claim) {
	first := l.bonds.after[c]
	if first == nil {
		return
	}
	delete(l.bonds.after, c)
	rest := slices.DeleteFunc(l.bonds.then[first], func(x *Claim) bool { return x == c })
	if l.bonds.then[first] = rest; len(rest) == 0 {
		delete(l.bonds.then, first)
	}
}

// prepare binds the call to the present session and record.
func (l *Lease) prepare(c *Claim, next call) func() {
	gen, value := l.gen, c.value
	r := engine.Record{Key: c.key(gen.id), Session: gen.id, Created: c.created}
	c.busy = gen
	if next == callDelete {
		r.Created = c.doomed()
	} else {
		c.dirty = false
	}
	return func() {
		ctx, cancel := context.WithTimeout(gen.ctx, l.cfg.Timing.CallTimeout)
		defer cancel()
		if c.made != nil && next != callDelete {
			value = c.made()
		}
		var err error
		key := r.Key
		switch next {
		case callCreate:
			r, err = gen.session.Create(ctx, key, []byte(value))
		case callReplace:
			_, err = gen.session.Replace(ctx, r, []byte(value))
		default:
			err = gen.session.Delete(ctx, r)
		}
		if l.lost(gen, err) {
			return
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
	defer l.settle(c)
	switch {
	case did == callCreate && (err == nil || errors.Is(err, engine.ErrExists)):
		err = l.foundRecord(c, r, err)
	case did == callReplace && errors.Is(err, engine.ErrGone):
		l.sawGone(c)
		err = nil
	case did == callReplace:
		c.dirty = c.dirty || err != nil
	case did == callCreate:
		c.unsure = c.kind == registry
	case err == nil:
		c.noteRemoved(r.Created)
	}
	if err == nil {
		c.failures = 0
		return false
	}
	l.retry(c)
	return c.failures == 1 && !gen.doubt && !l.closed
}

// foundRecord notes the record that a creation found or made. What is there already is our own, from a creation whose reply
// was lost, or another session's. Only this answer of the store's adopts a record. The mirror would not do: it may still show
// one that was given up before. Settling those that waited for this record may take them out of their list.
func (l *Lease) foundRecord(c *Claim, r engine.Record, taken error) error {
	c.unsure = false
	switch {
	case r.Session == l.gen.id:
		c.created, c.known = r.Created, l.age()
		if taken != nil && !strings.Contains(string(r.Value), l.bonds.id[c]) {
			c.again = true // an older wish
		}
		if taken != nil && c.kind != wish { // in a wish, another value is its answer
			c.dirty = c.dirty || string(r.Value) != c.value // one that is made was never kept
		}
		l.checkGone(c)
		l.flagClaim(c) // the watch may have shown the record before this answer
		for _, next := range slices.Clone(l.bonds.then[c]) {
			l.settle(next)
		}
		return nil
	case c.kind == registry:
		return taken // until the other's has gone
	}
	c.fail(fmt.Errorf("record %s of session %s: %w", r.Key, r.Session, taken))
	return nil
}

// retry tries again after a while that grows with every failure.
func (l *Lease) retry(c *Claim) {
	c.failures = min(c.failures+1, 8)
	wait := min(l.cfg.Timing.CallTimeout/64<<c.failures, l.cfg.Timing.Renewal)
	var pause *time.Timer
	pause = time.AfterFunc(jitter(wait), func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.bonds.pause[c] == pause {
			delete(l.bonds.pause, c)
			l.settle(c)
		}
	})
	l.bonds.pause[c] = pause
}
