package fileengine

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/singleton-go/singleton/engine"
)

// chase is how many entries a reader reads before it asks where the log ends.
const chase = 128

// maxLosses is how often a draft may be gone before it can be linked. Others tidy up rarely, so it never is that often.
const maxLosses = 3

// errHeldUp says that a change was overtaken by so many others that its outcome is not known.
var errHeldUp = errors.New("this process stood still while the store went on, and can't tell whether its change was made: try again")

// A store is what this process knows of the directory. All methods need the turn, but for take itself.
type store struct {
	*directory

	log    folder
	states folder

	turn    chan struct{} // holds a token; its owner may use the files, and change the state under mu
	rewound error         // the final verdict on the directory
	newest  uint64        // snapshot that was seen
	safe    uint64        // numbers up to this one may be given out
	grown   int           // bytes that were read or written since the newest snapshot

	mu    sync.Mutex // guards what watches read without the turn
	state state
	hub   *hub // nil while nobody watches
}

func newStore(path string) (*store, error) {
	d, err := openDirectory(path)
	if err != nil {
		return nil, err
	}
	s := &store{directory: d, turn: make(chan struct{}, 1)}
	if s.log, err = d.root.sub("log"); err != nil {
		return nil, err
	}
	if s.states, err = d.root.sub("state"); err != nil {
		return nil, err
	}
	s.release()
	return s, s.reload()
}

// take waits for the turn. It returns the verdict on the directory, if there is one.
func (s *store) take(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-s.turn:
	case <-ctx.Done():
		return ctx.Err()
	}
	err := s.rewound
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		s.release()
	}
	return err
}

func (s *store) release() { s.turn <- struct{}{} }

// judge keeps a verdict on the directory: it is final.
func (s *store) judge(err error) error {
	if errors.Is(err, engine.ErrRewound) {
		s.rewound = err
	}
	return err
}

// look reads on to the end of the log, and makes sure that it is the log of the directory.
func (s *store) look(ctx context.Context) error {
	if err := s.take(ctx); err != nil {
		return err
	}
	defer s.release()
	if err := s.verify(); err != nil {
		return s.judge(err)
	}
	return s.readOn()
}

// prove is a look that also makes sure that what this process has seen is still there.
func (s *store) prove(ctx context.Context) error {
	if err := s.look(ctx); err != nil {
		return err
	}
	if err := s.take(ctx); err != nil {
		return err
	}
	defer s.release()
	there, err := s.root.exists(logName(s.state.at))
	if there || err != nil {
		return err
	}
	if _, err := s.floor(); err != nil || s.state.at <= s.newest {
		return err
	}
	return s.judge(fmt.Errorf("%s/%s was removed: %w", s.root.path, logName(s.state.at), engine.ErrRewound))
}

// readOn applies what was added to the log. What it has read counts only if none of it can have been removed meanwhile.
func (s *store) readOn() error {
	entries, size, err := s.entriesAfter(s.state.at)
	if err != nil {
		return err
	}
	floor, err := s.floor()
	if err != nil {
		return err
	}
	if floor > s.state.at {
		return s.reload()
	}
	s.grown += size
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range entries {
		s.apply(e)
	}
	return nil
}

// apply carries out the next entry, and tells the watches. It needs mu as well.
func (s *store) apply(e entry) {
	if changes := s.state.apply(e); len(changes) > 0 && s.hub != nil {
		s.hub.publish(changes, minBacklog+len(changes)+len(s.state.records))
	}
}

// entriesAfter reads the log from n+1 to its end, and returns how many bytes that was. It doesn't run after an end that others
// push away faster than it reads: at the latest it ends where the log ended a while after the call.
func (s *store) entriesAfter(n uint64) (entries []entry, size int, err error) {
	limit, asked := n+chase, false
	for {
		if n == limit {
			if asked {
				return entries, size, nil
			}
			logged, err := s.log.numbers()
			if err != nil {
				return nil, 0, s.reason(err)
			}
			limit, asked = slices.Max(append(logged, n)), true
			continue
		}
		n++
		data, err := s.root.read(logName(n))
		if errors.Is(err, fs.ErrNotExist) {
			return entries, size, nil
		}
		if err != nil {
			return nil, 0, err
		}
		var e entry
		if err := json.Unmarshal(data, &e); err != nil {
			return nil, 0, fmt.Errorf("%s/%s: %w", s.root.path, logName(n), err)
		}
		entries = append(entries, e)
		size += len(data)
	}
}

// floor returns the number up to which changes may have been removed from the log: that of the second newest snapshot, or 0. It
// never falls.
func (s *store) floor() (uint64, error) {
	all, err := s.states.numbers()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	slices.Sort(all)
	if len(all) == 0 || all[len(all)-1] < s.newest {
		return 0, s.judge(fmt.Errorf("%s: state %d is gone: %w", s.root.path, s.newest, engine.ErrRewound))
	}
	if newest := all[len(all)-1]; newest > s.newest {
		s.newest, s.grown = newest, 0
	}
	if len(all) == 1 {
		return 0, nil
	}
	return all[len(all)-2], nil
}

// reload begins anew from the newest snapshot.
func (s *store) reload() error {
	for {
		if _, err := s.floor(); err != nil {
			return err
		}
		base := s.newest
		loaded, err := s.load(base)
		floor, err2 := s.floor()
		if err2 != nil {
			return err2
		}
		if floor > base || errors.Is(err, fs.ErrNotExist) && s.newest > base {
			continue // what was read, or not found, may have been removed because there are newer snapshots
		}
		if err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.state = loaded
		if s.hub != nil {
			s.hub.reset()
		}
		return nil
	}
}

// load reads the snapshot and the log that follows.
func (s *store) load(base uint64) (state, error) {
	data, err := s.root.read(stateName(base))
	if err != nil {
		return state{}, err
	}
	loaded, err := decodeState(base, data)
	if err != nil {
		return state{}, fmt.Errorf("%s/%s: %w", s.root.path, stateName(base), err)
	}
	logged, err := s.log.numbers() // before it is read, so that it can only be shorter
	if err != nil {
		return state{}, s.reason(err)
	}
	entries, size, err := s.entriesAfter(base)
	if err != nil {
		return state{}, err
	}
	for _, e := range entries {
		loaded.apply(e)
	}
	if last := slices.Max(append(logged, 0)); last > loaded.at {
		return state{}, fmt.Errorf("%s/%s is missing, and there is a change %d: somebody removes files", s.root.path, logName(loaded.at+1), last)
	}
	s.grown = size
	return loaded, nil
}

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

// reason returns why something failed: where names are missing, that is most likely the directory itself.
func (s *store) reason(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return errors.Join(s.judge(s.verify()), err)
	}
	return err
}

// publish links e into the log under the number n, and applies it. As with reading, that counts only if n can't have become free again.
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

// overtaken finds out what became of an entry whose number may have been free for the second time. Its file may stay: nobody reads it
// any more, and the next who tidies up removes it.
func (s *store) overtaken(e *entry, n uint64) error {
	if err := s.reload(); err != nil {
		return err
	}
	if !s.state.shows(e, n) {
		return errHeldUp
	}
	return nil
}

// reserve makes sure that the number may be given out. That another process has raised the ceiling is no proof that it is durable.
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

func logName(n uint64) string      { return "log/" + strconv.FormatUint(n, 10) }
func stateName(n uint64) string    { return "state/" + strconv.FormatUint(n, 10) }
func sessionName(id string) string { return "session/" + id }
func endName(id string) string     { return "session/" + id + ".end" }
func draftName() string            { return "draft/" + newName() }
func newName() string              { return strings.ToLower(rand.Text()) }
