package fileengine

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// A new snapshot is due after so many entries, or records if they are more, and after so many bytes, or values.
	minEntries = 1024
	minBytes   = 8 << 20

	// stagger spreads those who could write the snapshot: only every so many entries one is asked to.
	stagger = 16
)

// tidy writes a snapshot when one is due, and removes what it makes superfluous. It is called by whoever has added an entry,
// and tells no error: where it fails, as on a full disk, the log stays longer until a later try.
func (s *store) tidy() {
	since := int(s.state.at - s.newest) //nolint:gosec // a log that long would not fit on a disk
	long := since >= max(minEntries, len(s.state.records))
	heavy := s.grown >= max(minBytes, 2*s.state.size)
	if (long || heavy) && since%stagger == 0 && s.snapshot() == nil {
		s.sweepLog()
		s.sweepDrafts()
		s.sweepSessions()
	}
}

// snapshot writes the state down.
func (s *store) snapshot() error {
	data, err := s.state.encode()
	if err != nil {
		return err
	}
	draft := draftName()
	defer s.root.remove(draft)
	if err := s.root.write(draft, data); err != nil {
		return err
	}
	return s.root.link(draft, stateName(s.state.at))
}

// sweepLog removes what lies behind the second newest snapshot, which nobody reads any more.
func (s *store) sweepLog() {
	floor, err := s.floor()
	if err != nil {
		return
	}
	entries, err := s.log.numbers()
	if err != nil {
		return
	}
	for _, n := range entries {
		if n <= floor {
			s.root.remove(logName(n))
		}
	}
	states, err := s.states.numbers()
	if err != nil {
		return
	}
	for _, n := range states {
		if n < floor {
			s.root.remove(stateName(n))
		}
	}
}

// sweepDrafts removes what the dead have left. A living writer whose draft goes with them writes it again.
func (s *store) sweepDrafts() {
	drafts, err := s.root.sub("draft")
	if err != nil {
		return
	}
	defer drafts.file.Close()
	names, err := drafts.names()
	if err != nil {
		return
	}
	for _, name := range names {
		drafts.remove(name)
	}
}

// sweepSessions removes the files of sessions that were never opened, or whose end was not followed by their removal.
func (s *store) sweepSessions() {
	sessions, err := s.root.sub("session")
	if err != nil {
		return
	}
	defer sessions.file.Close()
	names, err := sessions.names()
	if err != nil || s.readOn() != nil { // a name is older than what is read now
		return
	}
	for _, name := range names {
		id, _ := strings.CutSuffix(name, ".end")
		if s.state.sessions[id] == nil && s.free(id) {
			s.forget(id)
		}
	}
}

// free reports whether no process holds the session. A session without a file has none either.
func (s *store) free(id string) bool {
	fd, err := s.root.openFD(sessionName(id), unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return errors.Is(err, unix.ENOENT)
	}
	defer unix.Close(fd)
	return isFree(fd)
}

// isFree tests the lock that a session's process holds for as long as it lives. The test shares the lock with other tests, so
// that a process that is stopped in the middle of it does not make a dead session look alive.
func isFree(fd int) bool {
	_, err := retry(func() (int, error) { return 0, unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB) })
	return err == nil
}

// forget removes the files of a session that has ended.
func (s *store) forget(id string) {
	s.root.remove(sessionName(id))
	s.root.remove(endName(id))
}
