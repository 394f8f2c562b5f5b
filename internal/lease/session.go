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
	renewed moment // just before the last successful renewal was sent
	doubt   bool   // the last renewal failed: nothing is created until one succeeds
}

// keepSession opens a session when somebody wants one, renews it until it is lost, and begins again.
func (l *Lease) keepSession() {
	for l.awaitDemand() {
		gen, err := l.open()
		if err != nil {
			l.park(err)
			return
		}
		if gen == nil {
			return
		}
		if err := l.renewUntilLost(gen); err != nil {
			l.park(err)
			return
		}
	}
}

// awaitDemand waits until there is a claim to serve; false means that the lease is closing.
func (l *Lease) awaitDemand() bool {
	for {
		l.mu.Lock()
		wanted := len(l.claims) > 0 && !l.closing
		l.mu.Unlock()
		if wanted && l.ctx.Err() == nil {
			return true
		}
		select {
		case <-l.wake:
		case <-l.ctx.Done():
			return false
		}
	}
}

// open returns a new generation, nil when the lease is closing, or the error that forbids to go on.
func (l *Lease) open() (*generation, error) {
	for wait := l.cfg.Timing.CallTimeout / 16; ; wait = min(2*wait, l.cfg.Timing.Renewal) {
		sent := l.clock.now()
		s, err := l.openOnce()
		if err == nil {
			return l.begin(s, sent), nil
		}
		if errors.Is(err, engine.ErrRewound) {
			return nil, err
		}
		if l.ctx.Err() != nil {
			return nil, nil
		}
		l.log.Warn("session not opened", "err", err)
		if !l.sleep(jitter(wait)) {
			return nil, nil
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
	gen := &generation{session: s, id: s.ID(), renewed: sent}
	l.mu.Lock()
	l.gen = gen
	for _, c := range l.claims {
		c.restart()
		l.settle(c)
	}
	l.pump() // also those that were queued in the session before
	l.mu.Unlock()
	l.log.Info("session opened", "session", gen.id, "ttl", s.TTL())
	return gen
}

// renewUntilLost returns nil when the session is lost or the lease is closing, or the error that forbids to go on.
func (l *Lease) renewUntilLost(gen *generation) error {
	t := l.cfg.Timing
	for wait := t.Renewal; l.sleep(wait); {
		sent := l.clock.now()
		err := l.renewOnce(gen)
		switch {
		case err == nil:
			l.renewed(gen, sent)
			wait = max(0, t.Renewal-time.Since(sent.at))
		case errors.Is(err, engine.ErrRewound):
			l.lose(gen, err)
			return err
		case errors.Is(err, engine.ErrLost):
			l.lose(gen, err)
			return nil
		default:
			l.doubt(gen, err)
			wait = jitter(t.CallTimeout / 4)
		}
	}
	return nil
}

func (l *Lease) renewOnce(gen *generation) error {
	ctx, cancel := context.WithTimeout(l.ctx, l.cfg.Timing.CallTimeout)
	defer cancel()
	return gen.session.Renew(ctx)
}

// renewed notes a renewal that succeeded.
func (l *Lease) renewed(gen *generation, sent moment) {
	if l.prolong(gen, sent) {
		l.log.Info("session renewed again", "session", gen.id)
	}
}

// prolong prolongs the trust in what is held, and revives nothing. It says whether the renewal before this one had failed.
func (l *Lease) prolong(gen *generation, sent moment) (again bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gen != gen {
		return false
	}
	l.checkStopLine() // a renewal that comes after the stop line comes too late for what is held
	gen.renewed = sent
	if again = gen.doubt; again {
		gen.doubt = false
		l.pump()
	}
	l.armStopLine()
	l.flagOwn()
	return again
}

// doubt notes a renewal that failed.
func (l *Lease) doubt(gen *generation, err error) {
	l.mu.Lock()
	if l.gen != gen || l.ctx.Err() != nil {
		l.mu.Unlock()
		return
	}
	l.checkStopLine()
	gen.doubt = true
	trusted := l.remaining()
	l.mu.Unlock()
	l.log.Warn("session not renewed", "session", gen.id, "trusted", trusted, "err", err)
}

// lose ends everything that rests on gen. Who still wants a place gets one in the next session.
func (l *Lease) lose(gen *generation, reason error) {
	if l.forsake(gen, reason) {
		l.log.Warn("session lost", "session", gen.id, "err", reason)
	}
}

func (l *Lease) forsake(gen *generation, reason error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gen != gen {
		return false
	}
	l.gen = nil
	l.endHolds(fmt.Errorf("%w: %w", ErrLost, reason))
	for _, c := range l.claims {
		c.restart()
		l.settle(c)
	}
	l.wakeSession()
	return true
}

// park gives up for good: the store is not the one that it was, and leading on it is a person's decision.
func (l *Lease) park(err error) {
	l.mu.Lock()
	l.parked = err
	l.mu.Unlock()
	l.log.Error("no session is opened any more: restart this process when the store is to be trusted again", "err", err)
}

func (l *Lease) wakeSession() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// sleep waits for d, and says whether the lease is still to go on.
func (l *Lease) sleep(d time.Duration) bool { return sleep(l.ctx, d) }

// jitter returns a duration from 3/4 d to 5/4 d, so that processes that lost the store together don't return together.
func jitter(d time.Duration) time.Duration {
	return d*3/4 + rand.N(d/2+1)
}
