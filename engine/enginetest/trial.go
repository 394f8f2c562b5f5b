package enginetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/singleton-go/singleton/engine"
)

// brief is how long a call may try that is expected to fail.
const brief = 300 * time.Millisecond

// A trial is one case at work on its own store. Its helpers fail the test where something fails that no duty is about.
type trial struct {
	*testing.T
	harness Harness
	store   Store

	mu     sync.Mutex
	ledger []deed
	doomed map[creation]bool // whose deletion has been sent
}

// A deed is a change that the store has confirmed, and when. The ends of sessions are not among them.
type deed struct {
	record  engine.Record
	deleted bool
	at      time.Time
}

// broken fails the case, and says what follows for those who rely on the duty.
func (tr *trial) broken(duty int, format string, args ...any) {
	tr.Helper()
	tr.Errorf("duty %d is broken: %s.\nWhat follows: %s.", duty, fmt.Sprintf(format, args...), consequences[duty])
}

// hopeless is broken for what leaves nothing to go on with.
func (tr *trial) hopeless(duty int, format string, args ...any) {
	tr.Helper()
	tr.broken(duty, format, args...)
	tr.FailNow()
}

// patience is how long to wait for what must come.
func (tr *trial) patience() time.Duration { return 20*time.Second + 5*tr.harness.TTL }

// slack is what a loaded machine may add to a duration. Virtual time has none.
func (tr *trial) slack() time.Duration {
	if tr.harness.Bubble {
		return 0
	}
	return 2 * time.Second
}

// within returns a context that ends after d.
func (tr *trial) within(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(tr.Context(), d)
	tr.Cleanup(cancel)
	return ctx
}

// ctx returns a context for a call that must succeed.
func (tr *trial) ctx() context.Context { return tr.within(tr.patience()) }

// pause lets time pass. It is for time that is itself what is tested, never for waiting until something has happened.
func (tr *trial) pause(d time.Duration) { <-tr.within(d).Done() }

// need skips the case where the harness lacks a hook.
func (tr *trial) need(hook string, present bool) {
	tr.Helper()
	if !present {
		tr.Skipf("the harness has no %s", hook)
	}
}

// connect returns a further process's connection.
func (tr *trial) connect() Conn {
	tr.Helper()
	return tr.store.Connect(tr.T)
}

// open starts a session of the shortest TTL.
func (tr *trial) open(c Conn) engine.Session {
	tr.Helper()
	return tr.openFor(c, tr.harness.TTL)
}

// openLong starts a session that outlives the case without renewal.
func (tr *trial) openLong(c Conn) engine.Session {
	tr.Helper()
	return tr.openFor(c, tr.longTTL())
}

// longTTL is beyond all that a case waits for.
func (tr *trial) longTTL() time.Duration { return max(50*tr.harness.TTL, 3*tr.patience()) }

func (tr *trial) openFor(c Conn, ttl time.Duration) engine.Session {
	tr.Helper()
	s, err := c.Engine.Open(tr.ctx(), engine.SessionOptions{TTL: ttl, Owner: tr.Name()})
	if err != nil {
		tr.Fatalf("open session: %v", err)
	}
	return s
}

// create writes a record that is known to be new.
func (tr *trial) create(s engine.Session, key, value string) engine.Record {
	tr.Helper()
	r, err := s.Create(tr.ctx(), key, []byte(value))
	if errors.Is(err, engine.ErrExists) {
		tr.hopeless(11, "the key %.60q is new, and Create says that it is taken by %s", key, show(r))
	}
	if err != nil {
		tr.Fatalf("create %.60q: %v", key, err)
	}
	if r.Key != key || string(r.Value) != value || r.Session != s.ID() {
		tr.broken(11, "Create(%.60q, %.60q) in session %s returned %s", key, value, s.ID(), show(r))
	}
	tr.confirm(r, false)
	return r
}

// remove deletes a record that is known to be there.
func (tr *trial) remove(s engine.Session, r engine.Record) {
	tr.Helper()
	tr.doom(r)
	if err := s.Delete(tr.ctx(), r); err != nil {
		tr.Fatalf("delete %s: %v", show(r), err)
	}
	tr.confirm(r, true)
}

// doom says that r is about to be deleted, so that a watch that begins now may or may not see it.
func (tr *trial) doom(r engine.Record) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.doomed[creation{r.Key, r.Created}] = true
}

// confirm enters a change into the ledger, against which all progress marks are checked.
func (tr *trial) confirm(r engine.Record, deleted bool) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.ledger = append(tr.ledger, deed{r, deleted, time.Now()})
}

// confirmed returns the changes that the store had confirmed before an instant and that every watch must know: no creation of
// what may be gone again.
func (tr *trial) confirmed(before time.Time) []deed {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	var all []deed
	for _, d := range tr.ledger {
		if d.at.Before(before) && (d.deleted || !tr.doomed[creation{d.record.Key, d.record.Created}]) {
			all = append(all, d)
		}
	}
	return all
}

// renew tells what a renewal says about the session: nil, ErrLost or ErrRewound. It repeats one that says nothing.
func (tr *trial) renew(s engine.Session) error {
	tr.Helper()
	ctx := tr.ctx()
	for {
		err := s.Renew(ctx)
		if err == nil || verdict(err) {
			return err
		}
		if ctx.Err() != nil {
			tr.Fatalf("renew session %s: no verdict within %v: %v", s.ID(), tr.patience(), err)
		}
		tr.pause(20 * time.Millisecond)
	}
}

// lapse lets a session end as if its owner had died.
func (tr *trial) lapse(c Conn, s engine.Session) {
	if c.Lapse != nil {
		c.Lapse(tr.T, s)
	}
}

// outlive waits until the session has ended, without a look at its records, which might be what removes them.
func (tr *trial) outlive(c Conn, s engine.Session) {
	tr.Helper()
	tr.lapse(c, s)
	began := time.Now()
	for wait := s.TTL() + s.TTL()/2; ; wait += s.TTL() {
		tr.pause(wait)
		err := tr.renew(s)
		if errors.Is(err, engine.ErrLost) {
			return
		}
		if err != nil {
			tr.Fatalf("renew session %s: %v", s.ID(), err)
		}
		if time.Since(began) > tr.patience() {
			tr.hopeless(4, "a session with a TTL of %v still renews after %v of silence", s.TTL(), wait)
		}
	}
}

// returns runs a call that must come back by itself, and fails with the duty if it does not do so in time. It returns what the
// call did.
func (tr *trial) returns(duty int, what string, limit time.Duration, call func() error) error {
	tr.Helper()
	done := make(chan error, 1)
	go func() { done <- call() }()                          // outlives the case only where the case fails, and then nobody could end it
	late := time.NewTimer(limit + tr.slack() + time.Second) // no context: the trial's own has ended in a cleanup
	defer late.Stop()
	select {
	case err := <-done:
		return err
	case <-late.C:
		tr.hopeless(duty, "%s had not returned %v after it had to", what, tr.slack()+time.Second)
		return nil
	}
}

// verdict reports whether err decides something, so that the caller won't ask again.
func verdict(err error) bool {
	return errors.Is(err, engine.ErrLost) || errors.Is(err, engine.ErrRewound) ||
		errors.Is(err, engine.ErrExists) || errors.Is(err, engine.ErrGone)
}

// show prints a record in short.
func show(r engine.Record) string {
	return fmt.Sprintf("{%.60q = %.60q, session %s, created %d}", r.Key, r.Value, r.Session, r.Created)
}
