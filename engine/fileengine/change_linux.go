package fileengine

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
)

// maxLosses is how often a draft may be gone before it can be linked. Others tidy up rarely, so it never is that often.
const maxLosses = 3

// errHeldUp says that a change was overtaken by so many others that its outcome is not known.
var errHeldUp = errors.New("held up while the store went on: whether the change was made is not known, try again")

// A proposal decides on the latest state what shall be done. No entry means that nothing is to be done.
type proposal func(*state) (*entry, error)

// change adds to the log what propose decides, however often others are first, and returns the number of the entry, or 0.
func (s *store) change(ctx context.Context, propose proposal) (uint64, error) {
	if err := s.take(ctx); err != nil {
		return 0, err
	}
	defer s.release()
	var d draft
	defer func() { s.discard(d) }()
	for {
		if err := errors.Join(s.readOn(), ctx.Err()); err != nil {
			return 0, err
		}
		e, err := propose(&s.state)
		if e == nil || err != nil {
			return 0, err
		}
		n := s.state.at + 1
		err = s.publish(&d, e, n)
		if err == nil {
			s.tidy()
			return n, nil
		}
		if !errors.Is(err, fs.ErrExist) && !d.lost(err) {
			return 0, s.reason(err)
		}
	}
}

// publish links e into the log under the number n, and applies it. As with reading, that counts only if n can't have become
// free again.
func (s *store) publish(d *draft, e *entry, n uint64) error {
	if err := s.reserve(n); err != nil {
		return err
	}
	if err := s.prepare(d, e); err != nil {
		return err
	}
	if err := s.root.link(d.name, logName(n)); err != nil {
		return err
	}
	floor, err := s.floor()
	if err != nil {
		return err
	}
	if floor >= n {
		return s.overtaken(e, n)
	}
	s.grown += d.size
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apply(*e)
	return nil
}

// overtaken finds out what became of an entry whose number may have been free for the second time. Its file may stay: nobody
// reads it any more, and the next who tidies up removes it.
func (s *store) overtaken(e *entry, n uint64) error {
	if err := s.readOn(); err != nil {
		return err
	}
	if !s.state.shows(e, n) {
		return errHeldUp
	}
	return nil
}

// reserve makes sure that the number may be given out. That another process has raised the ceiling is no proof that it is
// durable.
func (s *store) reserve(n uint64) error {
	if n <= s.safe {
		return nil
	}
	highest, err := s.ceiling()
	if err != nil {
		return err
	}
	if highest < n {
		highest = n + reserve
	}
	if err := s.raise(highest); err != nil {
		return err
	}
	s.safe = highest
	return nil
}

// A draft is the file that is to be linked into the log.
type draft struct {
	of       *entry // nil while there is none
	name     string
	size     int
	prepared bool // it is not ours to remove
	losses   int
}

// prepare provides the file for e: the end of a session has one from its beginning.
func (s *store) prepare(d *draft, e *entry) error {
	if d.of == e {
		return nil
	}
	s.discard(*d)
	if e.Op == opEnd && d.losses == 0 {
		*d = draft{of: e, name: endName(e.Session), prepared: true}
		return nil
	}
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	name := draftName()
	if err := s.root.write(name, data); err != nil {
		return err
	}
	*d = draft{of: e, name: name, size: len(data), losses: d.losses}
	return nil
}

// lost reports whether a failure means that somebody has tidied up the draft, so that another may do.
func (d *draft) lost(err error) bool {
	if !errors.Is(err, fs.ErrNotExist) || d.of == nil || d.losses == maxLosses {
		return false
	}
	d.of = nil
	d.losses++
	return true
}

func (s *store) discard(d draft) {
	if d.of != nil && !d.prepared {
		s.root.remove(d.name)
	}
}
