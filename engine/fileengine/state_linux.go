package fileengine

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/singleton-go/singleton/engine"
)

// An op says what an entry of the log does.
type op string

const (
	opOpen    op = "open"
	opCreate  op = "create"
	opReplace op = "replace"
	opDelete  op = "delete"
	opEnd     op = "end"
)

// An entry is one change of the store, as it stands in the log. A creation's Created is the number of the entry.
type entry struct {
	Op      op     `json:"op"`
	Session string `json:"session,omitempty"`
	Owner   string `json:"owner,omitempty"` // of a session that opens, for people
	Key     string `json:"key,omitempty"`
	Created uint64 `json:"created,omitempty"` // which creation is replaced or deleted
	Value   []byte `json:"value,omitempty"`
}

// A state is what the entries up to one of them amount to.
type state struct {
	at       uint64 // the number of the last entry
	sessions map[string]*holder
	records  map[string]engine.Record
	size     int // of all values
}

// A holder is a session that lives.
type holder struct {
	owner string
	keys  map[string]bool
}

// apply carries out the entry that follows. Writers decide on the latest state, so there is none that does not fit; still,
// one that doesn't changes nothing, for every reader alike.
func (s *state) apply(e entry) []engine.Change {
	s.at++
	present, there := s.records[e.Key]
	switch e.Op {
	case opOpen:
		s.sessions[e.Session] = &holder{owner: e.Owner, keys: map[string]bool{}}
	case opEnd:
		return s.end(e.Session)
	case opCreate:
		if s.sessions[e.Session] == nil || there {
			return nil
		}
		return s.put(engine.Record{Key: e.Key, Value: e.Value, Session: e.Session, Created: s.at})
	case opReplace:
		if !there || present.Created != e.Created {
			return nil
		}
		s.size -= len(present.Value)
		present.Value = e.Value
		return s.put(present)
	case opDelete:
		if there && present.Created == e.Created {
			return []engine.Change{s.drop(present)}
		}
	}
	return nil
}

func (s *state) put(r engine.Record) []engine.Change {
	s.records[r.Key] = r
	s.size += len(r.Value)
	s.sessions[r.Session].keys[r.Key] = true
	return []engine.Change{{Record: r}}
}

func (s *state) drop(r engine.Record) engine.Change {
	delete(s.records, r.Key)
	s.size -= len(r.Value)
	delete(s.sessions[r.Session].keys, r.Key)
	return engine.Change{Record: r, Deleted: true}
}

func (s *state) end(session string) []engine.Change {
	h := s.sessions[session]
	if h == nil {
		return nil
	}
	var changes []engine.Change
	for _, key := range slices.Sorted(maps.Keys(h.keys)) {
		changes = append(changes, s.drop(s.records[key]))
	}
	delete(s.sessions, session)
	return changes
}

// shows reports whether the state proves that e was carried out under the number n.
func (s *state) shows(e *entry, n uint64) bool {
	switch e.Op {
	case opOpen:
		return s.sessions[e.Session] != nil
	case opEnd:
		return s.sessions[e.Session] == nil
	case opCreate:
		return s.records[e.Key].Created == n
	case opDelete:
		return s.records[e.Key].Created != e.Created
	}
	return false
}

// A snapshot is a state as it stands in its file.
type snapshot struct {
	Sessions map[string]string `json:"sessions"` // ID to owner
	Records  []savedRecord     `json:"records"`
}

type savedRecord struct {
	Key     string `json:"key"`
	Session string `json:"session"`
	Created uint64 `json:"created"`
	Value   []byte `json:"value,omitempty"`
}

func (s *state) encode() ([]byte, error) {
	file := snapshot{Sessions: map[string]string{}, Records: make([]savedRecord, 0, len(s.records))}
	for id, h := range s.sessions {
		file.Sessions[id] = h.owner
	}
	for _, r := range s.records {
		file.Records = append(file.Records, savedRecord{Key: r.Key, Session: r.Session, Created: r.Created, Value: r.Value})
	}
	slices.SortFunc(file.Records, func(a, b savedRecord) int { return cmp.Compare(a.Created, b.Created) })
	return json.Marshal(file)
}

func decodeState(at uint64, data []byte) (state, error) {
	var file snapshot
	if err := json.Unmarshal(data, &file); err != nil {
		return state{}, err
	}
	s := state{at: at, sessions: map[string]*holder{}, records: map[string]engine.Record{}}
	for id, owner := range file.Sessions {
		s.sessions[id] = &holder{owner: owner, keys: map[string]bool{}}
	}
	for _, r := range file.Records {
		if s.sessions[r.Session] == nil {
			return state{}, fmt.Errorf("record %q of session %q, which is not among the sessions", r.Key, r.Session)
		}
		s.put(engine.Record{Key: r.Key, Value: r.Value, Session: r.Session, Created: r.Created})
	}
	return s, nil
}
