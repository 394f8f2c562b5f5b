package enginetest

import (
	"errors"
	"fmt"

	"github.com/singleton-go/singleton/engine"
)

var endingCases = []testCase{
	{name: "Close ends the session and all its records at once, in one update", duties: []int{4, 6, 14}, run: closeIsOneUpdate},
	{name: "the end of a session leaves what others have created on its former keys", duties: []int{4, 9}, run: endLeavesSuccessors},
	{name: "Close may be repeated, also after the session has expired", duties: []int{6}, run: closeRepeats},
	{name: "Close returns when its context ends, also when cut off", duties: []int{6, 17}, run: closeWhenCutOff},
	{name: "End ends another process's session and all its records at once, in one update", duties: []int{3, 4, 14}, run: endIsOneUpdate},
	{name: "End of a session that is unknown or has ended is no error", duties: []int{3}, run: endRepeats},
}

func closeIsOneUpdate(tr *trial) {
	c := tr.connect()
	s := tr.openLong(c)
	tr.endsAtOnce(6, s, func() error { return s.Close(tr.ctx()) })
}

func endIsOneUpdate(tr *trial) {
	c, other := tr.connect(), tr.connect()
	s := tr.openLong(c)
	tr.endsAtOnce(4, s, func() error {
		err := engine.End(tr.ctx(), other.Engine, s.ID())
		tr.need("engine.Ender", !errors.Is(err, errors.ErrUnsupported))
		return err
	})
}

// endsAtOnce fills a session with records, ends it long before its TTL, and looks what others see of that.
func (tr *trial) endsAtOnce(duty int, s engine.Session, end func() error) {
	tr.Helper()
	const n = 20
	c := tr.connect()
	stays := tr.create(tr.openLong(c), "ends/stays", "")
	for i := range n {
		tr.create(s, numbered("ends/", i)+"/mine", "")
	}
	v := tr.watch(c.Engine, engine.WatchOptions{Prefix: "ends/"})
	v.until(12, "all records", func() bool { return len(v.now) == n+1 })
	if err := end(); err != nil {
		tr.Fatalf("end the session: %v", err)
	}
	if err := tr.renew(s); !errors.Is(err, engine.ErrLost) {
		tr.broken(3, "a renewal after the session was ended returns: %v", err)
	}
	if _, err := s.Create(tr.ctx(), "ends/again", nil); !errors.Is(err, engine.ErrLost) {
		tr.broken(3, "Create after the session was ended returns: %v", err)
	}
	v.shows(duty, stays)
	v.vanishedTogether(n, "/mine")
	tr.watch(c.Engine, engine.WatchOptions{Prefix: "ends/"}).shows(duty, stays)
}

func endLeavesSuccessors(tr *trial) {
	c := tr.connect()
	closed, expires, heir := tr.openLong(c), tr.openFor(c, 3*tr.harness.TTL), tr.openLong(tr.connect())
	var want []engine.Record
	for name, s := range map[string]engine.Session{"closed": closed, "expires": expires} {
		for remover, by := range map[string]engine.Session{"self": s, "other": heir} {
			key := "heir/" + name + "/" + remover
			tr.remove(by, tr.create(s, key, ""))
			want = append(want, tr.create(heir, key, ""))
		}
	}
	v := tr.watch(c.Engine, engine.WatchOptions{Prefix: "heir/"})
	if err := closed.Close(tr.ctx()); err != nil {
		tr.Fatalf("close: %v", err)
	}
	tr.outlive(c, expires)
	marker := tr.create(heir, "heir/marker", "") // whatever the ends did comes before it
	v.shows(4, append(want, marker)...)
}

func closeRepeats(tr *trial) {
	c := tr.connect()
	s, expired := tr.openLong(c), tr.open(c)
	tr.outlive(c, expired)
	for i := range 3 {
		for what, s := range map[string]engine.Session{"a living": s, "an expired": expired} {
			if err := s.Close(tr.ctx()); err != nil {
				tr.broken(6, "Close number %d of %s session returns: %v", i+1, what, err)
			}
		}
	}
}

func closeWhenCutOff(tr *trial) {
	c := tr.connect()
	tr.need("Cut", c.Cut != nil)
	s := tr.openLong(c)
	tr.create(s, "cut/a", "")
	heal := c.Cut(tr.T)
	defer heal()
	err := tr.returns(6, "Close of a session that is cut off", brief, func() error { return s.Close(tr.within(brief)) })
	if err == nil || verdict(err) {
		tr.broken(6, "Close without a way to the store returns: %v", err)
	}
	heal()
	if err := s.Close(tr.ctx()); err != nil {
		tr.broken(6, "Close after the healing, following one that failed, returns: %v", err)
	}
	tr.watch(tr.connect().Engine, engine.WatchOptions{Prefix: "cut/"}).shows(6)
}

func endRepeats(tr *trial) {
	c := tr.connect()
	s, closed, bystander := tr.openLong(c), tr.openLong(c), tr.openLong(c)
	if err := closed.Close(tr.ctx()); err != nil {
		tr.Fatalf("close: %v", err)
	}
	for _, id := range []string{s.ID(), s.ID(), closed.ID(), neverGiven(s.ID())} {
		err := engine.End(tr.ctx(), c.Engine, id)
		tr.need("engine.Ender", !errors.Is(err, errors.ErrUnsupported))
		if err != nil {
			tr.broken(3, "End of the session %q returns: %v", id, err)
		}
	}
	if err := tr.renew(bystander); err != nil {
		tr.broken(2, "when other sessions were ended, this one was lost: %v", err)
	}
}

// neverGiven makes an ID that looks like one of the store's and was never given, by changing its last character.
func neverGiven(id string) string {
	last := byte('1')
	if id[len(id)-1] == last {
		last = '2'
	}
	return fmt.Sprintf("%s%c", id[:len(id)-1], last)
}
