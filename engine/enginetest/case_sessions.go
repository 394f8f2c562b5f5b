package enginetest

import (
	"errors"
	"strings"
	"time"

	"github.com/singleton-go/singleton/engine"
)

var sessionCases = []testCase{
	{name: "no two sessions have the same ID", duties: []int{1}, run: sessionIDsAreUnique},
	{name: "a TTL is granted as asked or longer", duties: []int{2}, run: grantedTTL},
	{name: "a session lives a whole TTL after its last renewal", duties: []int{2}, run: livesAWholeTTL},
	{name: "a session that is renewed lives on", duties: []int{2}, run: renewedLivesOn},
	{name: "a renewal after the end is ErrLost for ever", duties: []int{3}, run: lateRenewalIsLost},
	{name: "a watch that starts after the end sees no record of the session", duties: []int{4}, run: lateWatchSeesNoDead},
	{name: "all records of an expired session vanish in one update and nobody else's", duties: []int{4, 14}, run: expiryIsOneUpdate},
	{name: "a store that went back is found out by a renewal and by every later call", duties: []int{5}, run: rewoundIsFoundOut},
	{name: "a store that went back serves those who connect afterwards", duties: []int{1, 5}, run: rewoundServesNewcomers},
}

func sessionIDsAreUnique(tr *trial) {
	conns := []Conn{tr.connect(), tr.connect(), tr.connect()}
	known := map[string]bool{}
	for i := range 30 {
		s := tr.openLong(conns[i%len(conns)])
		if known[s.ID()] || s.ID() == "" || strings.Contains(s.ID(), "/") {
			tr.hopeless(1, "session %d has the ID %q: an earlier one has it too (%t), it is empty, or it has a slash",
				i, s.ID(), known[s.ID()])
		}
		known[s.ID()] = true
		if i%2 == 0 {
			if err := s.Close(tr.ctx()); err != nil { // an ID must not come free again
				tr.Fatalf("close: %v", err)
			}
		}
	}
}

func grantedTTL(tr *trial) {
	c := tr.connect()
	shortest := tr.harness.TTL
	for _, asked := range []time.Duration{shortest, shortest + time.Nanosecond, shortest*3/2 + 1, 10*shortest + 999*time.Millisecond} {
		s := tr.openFor(c, asked)
		granted := s.TTL()
		if granted < asked {
			tr.broken(2, "a TTL of %v was granted where %v was asked for", granted, asked)
		}
		if err := s.Renew(tr.ctx()); err != nil {
			tr.Errorf("renew: %v", err)
		}
		if s.TTL() != granted {
			tr.broken(2, "the TTL was %v and is now %v", granted, s.TTL())
		}
	}
}

func livesAWholeTTL(tr *trial) {
	c := tr.connect()
	v := tr.watch(tr.connect().Engine, engine.WatchOptions{Prefix: "live/"})
	opened := time.Now()
	still := tr.open(c)
	kept := tr.open(c)
	tr.create(still, "live/still", "")
	tr.create(kept, "live/kept", "")
	tr.pause(tr.harness.TTL / 2)
	renewed := time.Now()
	if err := kept.Renew(tr.ctx()); err != nil {
		if time.Since(opened) >= tr.harness.TTL {
			tr.Skip("this machine is too slow to renew in time")
		}
		tr.hopeless(2, "half a TTL after its start the session does not renew: %v", err)
	}
	if c.Lapse != nil { // it does not end by itself, so there is no end to be measured
		return
	}
	v.shows(4)
	for _, seen := range v.history {
		if seen.at.Sub(opened) < still.TTL() && len(seen.Changes) > 0 && seen.Changes[0].Deleted {
			tr.broken(2, "%q vanished %v after its session was opened with a TTL of %v", seen.Changes[0].Record.Key, seen.at.Sub(opened), still.TTL())
		}
		if len(seen.left) == 0 && !seen.Reset && seen.at.Sub(renewed) < kept.TTL() {
			tr.broken(2, "a record vanished %v after its session was renewed with a TTL of %v", seen.at.Sub(renewed), kept.TTL())
		}
	}
}

func renewedLivesOn(tr *trial) {
	c := tr.connect()
	v := tr.watch(c.Engine, engine.WatchOptions{Prefix: "live/"})
	s := tr.open(c)
	r := tr.create(s, "live/a", "")
	sent := time.Now()
	for range 8 {
		tr.pause(s.TTL() / 3)
		last := sent
		sent = time.Now()
		if err := s.Renew(tr.ctx()); err != nil {
			if time.Since(last) >= s.TTL() {
				tr.Skip("this machine is too slow to renew in time")
			}
			tr.hopeless(2, "a renewal %v after the last one is refused: %v", time.Since(last), err)
		}
	}
	v.shows(2, r)
	for _, seen := range v.history {
		for _, ch := range seen.Changes {
			if ch.Deleted {
				tr.broken(2, "the record of a renewed session vanished")
			}
		}
	}
}

func lateRenewalIsLost(tr *trial) {
	c := tr.connect()
	s := tr.open(c)
	r := tr.create(s, "late/a", "")
	tr.outlive(c, s) // nobody watches, so perhaps nobody has removed the record
	for range 3 {
		if err := tr.renew(s); !errors.Is(err, engine.ErrLost) {
			tr.broken(3, "after a first ErrLost a renewal of the session returns: %v", err)
		}
		tr.pause(tr.harness.TTL / 10)
	}
	if _, err := s.Create(tr.ctx(), "late/b", nil); !errors.Is(err, engine.ErrLost) {
		tr.broken(3, "Create in a session that has ended returns: %v", err)
	}
	if _, err := s.Create(tr.ctx(), r.Key, nil); !errors.Is(err, engine.ErrLost) {
		tr.broken(3, "Create on the own key of a session that has ended returns: %v", err)
	}
	tr.watch(c.Engine, engine.WatchOptions{Prefix: "late/"}).shows(4)
}

func lateWatchSeesNoDead(tr *trial) {
	c := tr.connect()
	s := tr.open(c)
	tr.create(s, "dead/a", "")
	tr.create(s, "dead/b", "")
	alive := tr.create(tr.openLong(c), "dead/alive", "")
	tr.outlive(c, s)
	v := tr.watch(c.Engine, engine.WatchOptions{Prefix: "dead/"})
	v.mu.Lock()
	first := v.history[0]
	v.mu.Unlock()
	if len(first.Changes) != 1 || !same(first.Changes[0].Record, alive) {
		tr.broken(4, "a watch that started after the end begins with %v, and the one living record is %s", first.left, show(alive))
	}
}

func expiryIsOneUpdate(tr *trial) {
	const n = 100
	c := tr.connect()
	v := tr.watch(tr.connect().Engine, engine.WatchOptions{Prefix: "expire/"})
	bystander := tr.openLong(c)
	s := tr.openFor(c, 5*tr.harness.TTL) // a loaded machine may need seconds for a few records
	renewed := time.Now()
	var others []engine.Record
	for i := range n {
		key := numbered("expire/", i)
		tr.create(s, key+"/mine", "")
		if i%10 == 0 {
			others = append(others, tr.create(bystander, key+"/other", ""))
		}
		if time.Since(renewed) > tr.harness.TTL {
			renewed = time.Now()
			if err := s.Renew(tr.ctx()); err != nil {
				tr.Fatalf("renew: %v", err)
			}
		}
	}
	v.until(12, "all records", func() bool { return len(v.now) == n+len(others) })
	tr.lapse(c, s)
	v.shows(4, others...)
	v.vanishedTogether(n, "/mine")
}

// vanishedTogether checks that after all n records whose keys end so were there, no update left a part of them.
func (v *viewer) vanishedTogether(n int, suffix string) {
	v.tr.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	complete := false
	for _, seen := range v.history {
		left := 0
		for _, key := range seen.left {
			if strings.HasSuffix(key, suffix) {
				left++
			}
		}
		complete = complete || left == n
		if complete && left != 0 && left != n {
			v.tr.broken(14, "an update leaves %d of the %d records of a session that ended", left, n)
		}
	}
}

func rewoundIsFoundOut(tr *trial) {
	tr.need("Rewind", tr.store.Rewind != nil)
	a, b := tr.connect(), tr.connect()
	sa, sb := tr.openLong(a), tr.openLong(b)
	r := tr.create(sa, "back/a", "")
	tr.create(sb, "back/b", "")
	tr.store.Rewind(tr.T)
	for _, s := range []engine.Session{sa, sb} {
		if err := tr.renew(s); !errors.Is(err, engine.ErrRewound) {
			tr.hopeless(5, "a renewal on a store that went back returns: %v", err)
		}
	}
	for _, call := range everyCall(a, sa, r) {
		err := call.do(tr.ctx())
		mayBeNil := call.name == "Close" && err == nil || errors.Is(err, errors.ErrUnsupported)
		if !mayBeNil && !errors.Is(err, engine.ErrRewound) {
			tr.broken(5, "after a renewal found that the store went back, %s returns: %v", call.name, err)
		}
	}
}

func rewoundServesNewcomers(tr *trial) {
	tr.need("Rewind", tr.store.Rewind != nil)
	before := tr.openLong(tr.connect())
	tr.store.Rewind(tr.T)
	after, err := tr.connect().Engine.Open(tr.ctx(), engine.SessionOptions{TTL: tr.longTTL()})
	if err != nil {
		tr.hopeless(5, "whoever connects after the store went back can't open a session: %v", err)
	}
	if before.ID() == after.ID() {
		tr.broken(1, "after the store went back it gave the ID %q once more", after.ID())
	}
	r := tr.create(after, "back/new", "")
	v := tr.watch(tr.connect().Engine, engine.WatchOptions{Prefix: "back/new"})
	v.shows(5, r)
}
