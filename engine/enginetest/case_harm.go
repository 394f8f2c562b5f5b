package enginetest

import (
	"context"
	"errors"

	"github.com/singleton-go/singleton/engine"
)

var harmCases = []testCase{
	{name: "a late Delete leaves a later creation alone", duties: []int{9}, run: lateDelete},
	{name: "a late Replace leaves a later creation alone", duties: []int{9}, run: lateReplace},
	{name: "after a lost reply, calling again finds out what happened", duties: []int{10}, run: lostReplies},
	{name: "a call that was given up harms no later creation", duties: []int{10}, run: givenUpCalls},
}

func lateDelete(tr *trial) {
	c := tr.connect()
	s, other := tr.openLong(c), tr.openLong(tr.connect())
	first := tr.create(s, "again/a", "same")
	tr.remove(s, first)
	second := tr.create(s, "again/a", "same")
	if second.Created <= first.Created {
		tr.broken(7, "created again after %s it is %s", show(first), show(second))
	}
	v := tr.watch(c.Engine, engine.WatchOptions{Prefix: "again/"})
	for _, late := range []engine.Session{s, other} {
		if err := late.Delete(tr.ctx(), first); err != nil {
			tr.broken(9, "Delete of a record that is gone returns: %v", err)
		}
	}
	marker := tr.create(s, "again/marker", "") // whatever the late calls did comes before it
	v.shows(9, second, marker)
}

func lateReplace(tr *trial) {
	c := tr.connect()
	s, other := tr.openLong(c), tr.openLong(tr.connect())
	first := tr.create(s, "again/a", "same")
	tr.remove(s, first)
	v := tr.watch(c.Engine, engine.WatchOptions{Prefix: "again/"})
	tr.replaceFails(s, first)
	second := tr.create(other, "again/a", "same")
	tr.replaceFails(s, first)
	tr.replaceFails(other, first)
	marker := tr.create(s, "again/marker", "")
	v.shows(9, second, marker)
}

// replaceFails checks that a record that is gone can't be replaced.
func (tr *trial) replaceFails(s engine.Session, gone engine.Record) {
	tr.Helper()
	if r, err := s.Replace(tr.ctx(), gone, []byte("late")); !errors.Is(err, engine.ErrGone) {
		tr.broken(9, "Replace of %s, which is gone, returned %s with the error %v", show(gone), show(r), err)
	}
}

func lostReplies(tr *trial) {
	c, sound := tr.connect(), tr.connect()
	tr.need("Mute", c.Mute != nil)
	s := tr.openLong(c)
	replaced, deleted := tr.create(s, "lost/replaced", "1"), tr.create(s, "lost/deleted", "1")
	heal := c.Mute(tr.T)
	tr.unheard("Create", func(ctx context.Context) error { _, err := s.Create(ctx, "lost/created", []byte("1")); return err })
	tr.unheard("Replace", func(ctx context.Context) error { _, err := s.Replace(ctx, replaced, []byte("2")); return err })
	tr.unheard("Delete", func(ctx context.Context) error { return s.Delete(ctx, deleted) })
	tr.unheard("Renew", s.Renew)
	heal()

	if err := tr.renew(s); err != nil {
		tr.broken(2, "a renewal after replies were lost returns: %v", err)
	}
	created, err := s.Create(tr.ctx(), "lost/created", []byte("1"))
	if err != nil && (!errors.Is(err, engine.ErrExists) || created.Session != s.ID()) {
		tr.broken(10, "Create repeated after its reply was lost returned %s with the error %v", show(created), err)
	}
	if replaced, err = s.Replace(tr.ctx(), replaced, []byte("2")); err != nil {
		tr.broken(10, "Replace repeated after its reply was lost returns: %v", err)
	}
	if err = s.Delete(tr.ctx(), deleted); err != nil {
		tr.broken(10, "Delete repeated after its reply was lost returns: %v", err)
	}
	tr.watch(sound.Engine, engine.WatchOptions{Prefix: "lost/"}).shows(10, created, replaced)
}

// unheard makes a call whose reply can't come.
func (tr *trial) unheard(name string, call func(context.Context) error) {
	tr.Helper()
	err := tr.returns(17, name, brief, func() error { return call(tr.within(brief)) })
	if err == nil || verdict(err) {
		tr.broken(10, "%s without a reply of the store returns as if there had been one: %v", name, err)
	}
}

func givenUpCalls(tr *trial) {
	c, sound := tr.connect(), tr.connect()
	tr.need("Cut", c.Cut != nil)
	s, other := tr.openLong(c), tr.openLong(sound)
	first := tr.create(s, "given-up/a", "1")
	v := tr.watch(sound.Engine, engine.WatchOptions{Prefix: "given-up/"})
	heal := c.Cut(tr.T)
	tr.unheard("Delete", func(ctx context.Context) error { return s.Delete(ctx, first) })
	tr.unheard("Replace", func(ctx context.Context) error { _, err := s.Replace(ctx, first, []byte("2")); return err })
	tr.unheard("Create", func(ctx context.Context) error { _, err := s.Create(ctx, "given-up/b", []byte("1")); return err })
	tr.remove(other, first)
	second, taken := tr.create(other, "given-up/a", "1"), tr.create(other, "given-up/b", "2")
	heal()
	tr.pause(brief) // what is late may take a while to arrive
	if err := tr.renew(s); err != nil {
		tr.broken(2, "a renewal after the healing returns: %v", err)
	}
	marker := tr.create(s, "given-up/marker", "")
	v.shows(10, second, taken, marker)
}
