package lease

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/singleton-go/singleton/engine"
)

// A generation is one session and the trust in it. A lease has one at a time; what belongs to an older one is void.
type generation struct {
	session engine.Session
	id      string
	opened  moment // just before it was asked for
	renewed moment // just before the last successful renewal was sent; under the lease's mutex
	doubt   bool   // the last renewal failed: nothing is created until one succeeds

	ctx    context.Context // of the calls on this session; ends when it is known to be lost
	cancel context.CancelFunc
}

// keepSession opens a session when somebody wants one, renews it until it is lost, and begins again.
func (l *Lease) keepSession() {
	for l.awaitDemand() {
		if gen := l.open(); gen != nil {
			l.renewUntilLost(gen)
		}
	}
}

// awaitDemand waits until there is a claim to serve; false means that no session is opened any more.
func (l *Lease) awaitDemand() bool {
	for {
		l.mu.Lock()
		wanted, parked := !l.claims.none() && !l.closing, l.parked != nil
		l.mu.Unlock()
		if parked {
			return false
		}
		if wanted && l.ctx.Err() == nil {
			return true
		}
		select {
		case <-l.wake:
			l.try()
		case <-l.ctx.Done():
			return false
		}
	}
}

// open returns a new generation, or nil when no session is to be opened any more.
func (l *Lease) open() *generation {
	for wait := l.cfg.Timing.CallTimeout / 16; ; wait = min(2*wait, l.cfg.Timing.Renewal) {
		l.try()
		sent := l.clock.now()
		s, err := l.openOnce()
		switch {
		case err == nil:
			return l.begin(s, sent)
		case errors.Is(err, engine.ErrRewound):
			l.park(err)
			return nil
		case l.ctx.Err() != nil:
			return nil
		}
		l.log.Warn("session not opened", "err", err)
		if !sleep(l.ctx, jitter(wait)) {
			return nil
		}
	}
}

func (l *Lease) openOnce() (engine.Session, error) {
	ctx, cancel := context.WithTimeout(l.ctx, l.cfg.Timing.CallTimeout)
	defer cancel()
	s, err := l.cfg.Engine.Open(ctx, engine.SessionOptions{TTL: l.cfg.Timing.TTL, Owner: l.cfg.Owner})
	if err != nil {
		return nil, err
	}
	if s.TTL() < l.cfg.Timing.TTL {
		return nil, errors.Join(fmt.Errorf("session %s: granted a TTL of %v, less than the %v asked for", s.ID(), s.TTL(),
			l.cfg.Timing.TTL), s.Close(ctx))
	}
	return s, nil
}

func (l *Lease) begin(s engine.Session, sent moment) *generation {
	gen := &generation{session: s, id: s.ID(), opened: sent, renewed: sent}
	gen.ctx, gen.cancel = context.WithCancel(l.ctx)
	if !l.adopt(gen) {
		l.discard(gen)
		return nil
	}
	l.log.Info("session opened", "session", gen.id, "ttl", s.TTL())
	return gen
}

// adopt lets everything rest on gen, unless this lease was closed while gen was asked for, or the store was found not to be the
// one that it was.
func (l *Lease) adopt(gen *generation) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.parked != nil || l.closed {
		return false
	}
	l.gen = gen
	for c := range l.claims.all() {
		l.settle(c)
	}
	l.pump() // also those that were queued in the session before
	return true
}

// discard closes a session that nothing rests on.
func (l *Lease) discard(gen *generation) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(gen.ctx), l.cfg.Timing.CallTimeout)
	defer cancel()
	defer gen.cancel()
	if err := gen.session.Close(ctx); err != nil {
		l.log.Warn("session not closed: it will expire by itself", "session", gen.id, "err", err)
	}
}

// renewUntilLost returns when the session is known to be lost, or was given up, or when the lease is closed.
func (l *Lease) renewUntilLost(gen *generation) {
	t := l.cfg.Timing
	sent := gen.opened
	for wait := t.Renewal - time.Since(sent.at); sleep(gen.ctx, wait); {
		if l.blind(gen) {
			l.try()
			l.awaitMark(gen.ctx, t.CallTimeout/4)
			wait = 0
			continue
		}
		sent = l.beginRenewal()
		switch err := l.renewOnce(gen.ctx, gen); {
		case err == nil:
			l.renewed(gen, sent)
			wait = t.Renewal - time.Since(sent.at)
		case l.lost(gen, err):
			return
		default:
			l.doubt(gen, err)
			wait = jitter(t.CallTimeout / 4)
			if l.unheard(gen, sent) {
				l.lose(gen, errUnheard)
				l.discard(gen)
			}
		}
	}
}

// A session that is renewed keeps its places in the queues, and a process that is not trusted leads by none of them. So that it keeps
// nobody waiting, what can't be trusted is not renewed for ever.

// blind says whether the watch has shown nothing for so long that nobody may lead by this session, and nobody works under it still.
// It is not renewed then, and lives for a TTL at most, unless the watch goes on before that. Where nothing at all comes through from
// the store this is all that can be done: requests may arrive there, and it alone could tell.
//
// Suspension of the machine doesn't count: the store is asked at once when that is over.
func (l *Lease) blind(gen *generation) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := l.marked.at
	if last.Before(gen.opened.at) {
		last = gen.opened.at
	}
	return time.Since(last) > l.cfg.Timing.reach(gen.session.TTL()) && !l.works()
}

// awaitMark waits for the next mark of the watch, no longer than d.
func (l *Lease) awaitMark(ctx context.Context, d time.Duration) {
	_, changed := l.markedSince(time.Now())
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-changed:
	case <-t.C:
	case <-ctx.Done():
	}
}

var errUnheard = errors.New("given up: no renewal was answered for a TTL, while the watch went on")

// unheard says whether renewals, of which the last was sent at this moment, fail although the store can be reached.
func (l *Lease) unheard(gen *generation, sent moment) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	ttl := gen.session.TTL()
	return l.gen == gen && gen.renewed.elapsed(sent) > ttl && l.marked.elapsed(sent) < l.cfg.Timing.reach(ttl) && !l.works()
}

// works says whether anybody may work under this session still.
func (l *Lease) works() bool {
	for c := range l.claims.all() {
		if c.held() {
			return true
		}
	}
	return false
}

// lost says whether an answer means that the session is lost, and draws the consequences.
func (l *Lease) lost(gen *generation, err error) bool {
	switch {
	case errors.Is(err, engine.ErrRewound):
		l.park(err)
	case errors.Is(err, engine.ErrLost):
		l.lose(gen, err)
	default:
		return false
	}
	return true
}

// beginRenewal reads the clocks, and ends what a suspension of the machine has overtaken before the store is asked.
func (l *Lease) beginRenewal() moment {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.review()
	l.tried = time.Now()
	return l.clock.now()
}

func (l *Lease) renewOnce(ctx context.Context, gen *generation) error {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.Timing.CallTimeout)
	defer cancel()
	return gen.session.Renew(ctx)
}

// renewed notes a renewal that succeeded.
func (l *Lease) renewed(gen *generation, sent moment) {
	l.mu.Lock()
	if l.gen != gen || sent.at.Before(gen.renewed.at) {
		l.mu.Unlock()
		return
	}
	l.prolong(func() { gen.renewed = sent })
	again := gen.doubt
	if again {
		gen.doubt = false
		l.pump()
	}
	l.mu.Unlock()
	if again {
		l.log.Info("session renewed again", "session", gen.id)
	}
}

// doubt notes a renewal that failed.
func (l *Lease) doubt(gen *generation, err error) {
	l.mu.Lock()
	if l.gen != gen || l.ctx.Err() != nil {
		l.mu.Unlock()
		return
	}
	gen.doubt = true
	trusted := l.remaining()
	l.mu.Unlock()
	l.log.Warn("session not renewed", "session", gen.id, "trusted", trusted, "err", err)
}

// lose ends everything that rests on gen. Who still wants a place gets one in the next session.
func (l *Lease) lose(gen *generation, reason error) {
	l.mu.Lock()
	lost := l.forsake(gen, reason)
	l.mu.Unlock()
	if lost {
		l.log.Warn("session lost", "session", gen.id, "err", reason)
	}
}

// forsake is lose, under mu.
func (l *Lease) forsake(gen *generation, reason error) bool {
	if gen == nil || l.gen != gen {
		return false
	}
	l.gen = nil
	gen.cancel()
	l.endHolds(fmt.Errorf("%w: %w", ErrLost, reason))
	for c := range l.claims.all() {
		c.restart()
		if c.kind == released {
			c.fail(reason) // nobody waits for news of a term that is past, and of a session that is too
		}
		l.settle(c)
	}
	return true
}

// park gives up for good: the store is not the one that it was, and leading on it is a person's decision.
func (l *Lease) park(err error) {
	l.mu.Lock()
	first := l.parked == nil
	if first {
		l.parked = err
		close(l.given)
	}
	l.forsake(l.gen, err)
	l.mu.Unlock()
	if first {
		l.log.Error("no session is opened any more: restart this process when the store is to be trusted again", "err", err)
	}
}

// Over says why nothing more will be learnt from this lease: the store is not the one that it was, or the lease is closed. It is
// nil before.
func (l *Lease) Over() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.parked == nil && l.ctx.Err() != nil {
		return ErrClosed
	}
	return l.parked
}

// GivenUp is closed when the store is found not to be the one that it was.
func (l *Lease) GivenUp() <-chan struct{} { return l.given }

func (l *Lease) wakeSession() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// jitter returns a duration from 3/4 d to 5/4 d, so that processes that lost the store together don't return together.
func jitter(d time.Duration) time.Duration {
	return d*3/4 + rand.N(d/2+1)
}
