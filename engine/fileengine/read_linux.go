package fileengine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/singleton-go/singleton/engine"
)

// chase is how many entries a reader reads before it asks where the log ends.
const chase = 128

// readOn applies what was added to the log. What it has read counts only if none of it can have been removed meanwhile; or else
// it begins anew.
func (s *store) readOn() error {
	for {
		entries, size, err := s.entriesAfter(s.state.at)
		if err != nil {
			return err
		}
		floor, err := s.floor()
		if err != nil {
			return err
		}
		if floor <= s.state.at {
			return s.advance(entries, size)
		}
		if err := s.restart(); err != nil {
			return err
		}
	}
}

// advance applies entries that follow the state.
func (s *store) advance(entries []entry, size int) error {
	if end := s.state.at + uint64(len(entries)); end < s.known {
		return fmt.Errorf("%s/%s is missing, and there is a change %d: somebody removes files", s.root.path, logName(end+1), s.known)
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

// restart goes to the newest snapshot.
func (s *store) restart() error {
	if _, err := s.floor(); err != nil {
		return err
	}
	base := s.newest
	data, err := s.root.read(stateName(base))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := s.floor(); err != nil {
			return err
		}
		if s.newest > base { // it was removed because there are newer ones
			return s.restart()
		}
	}
	if err != nil {
		return err
	}
	loaded, err := decodeState(base, data)
	if err != nil {
		return fmt.Errorf("%s/%s: %w", s.root.path, stateName(base), err)
	}
	logged, err := s.log.numbers()
	if err != nil {
		return s.reason(err)
	}
	s.known, s.grown = slices.Max(append(logged, 0)), 0
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = loaded
	if s.hub != nil {
		s.hub.reset()
	}
	return nil
}
