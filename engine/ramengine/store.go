package ramengine

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/singleton-go/singleton/engine"
)

// A store is what all engines that are connected to each other share.
type store struct {
	rate float64 // of its clock beside the local one

	mu       sync.Mutex
	life     uint64 // counts rewinds, so that engines of an older life are told
	created  uint64 // Created of the last record
	opened   uint64 // number of the last session
	records  map[string]engine.Record
	sessions map[string]*session
	watchers map[*watcher]bool

	// due is never after the earliest deadline; renewals may have moved that on. It is zero while there is no session.
	due time.Time
}

// newStore counts from the wall clock, so that what was created in an earlier run of the program stays behind.
func newStore(rate float64) *store {
	start := uint64(time.Now().UnixMicro())
	return &store{
		rate:     rate,
		created:  start,
		opened:   start,
		records:  map[string]engine.Record{},
		sessions: map[string]*session{},
		watchers: map[*watcher]bool{},
	}
}

// extend lets s live for one TTL of the store's clock from now. It wakes no watch that sleeps until a later instant: who would see
// anything of the end of s is woken by the creation of what it sees.
func (st *store) extend(s *session, now time.Time) {
	local := s.ttl
	if st.rate != 1 { // the exact TTL wherever no drift is wanted
		local = time.Duration(float64(s.ttl) / st.rate)
	}
	s.deadline = now.Add(local)
	if st.due.IsZero() || s.deadline.Before(st.due) {
		st.due = s.deadline
	}
}

// expire ends the sessions whose time is over, each in its own step, in the order of their deadlines.
func (st *store) expire(now time.Time) {
	if st.due.IsZero() || now.Before(st.due) {
		return
	}
	var over []*session
	st.due = time.Time{}
	for _, s := range st.sessions {
		if !now.Before(s.deadline) {
			over = append(over, s)
		} else if st.due.IsZero() || s.deadline.Before(st.due) {
			st.due = s.deadline
		}
	}
	slices.SortFunc(over, func(a, b *session) int {
		return cmp.Or(a.deadline.Compare(b.deadline), cmp.Compare(a.id, b.id))
	})
	for _, s := range over {
		st.end(s)
	}
}

// end ends s and removes all its records, in one step.
func (st *store) end(s *session) {
	s.ended = true
	delete(st.sessions, s.id)
	gone := make([]engine.Change, 0, len(s.keys))
	for key := range s.keys {
		gone = append(gone, engine.Change{Record: st.records[key], Deleted: true})
		delete(st.records, key)
	}
	s.keys = nil
	sortByCreated(gone)
	st.publish(gone...)
}

// put keeps r and tells the watchers.
func (st *store) put(r engine.Record) {
	st.records[r.Key] = r
	st.publish(engine.Change{Record: r})
}

// exactly returns the record that has the key and Created of r.
func (st *store) exactly(r engine.Record) (engine.Record, bool) {
	present, ok := st.records[r.Key]
	return present, ok && present.Created == r.Created
}

// publish hands one step to all watchers that it concerns.
func (st *store) publish(step ...engine.Change) {
	// A history that is longer than the state is worth less than the state.
	limit := 1024 + 2*len(st.records) + len(step)
	for w := range st.watchers {
		w.add(step, limit)
	}
}

// next takes what w has not seen, and says how long to wait where that is nothing; 0 is for ever.
func (st *store) next(w *watcher) (engine.Update, time.Duration, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if w.err != nil {
		return engine.Update{}, 0, w.err
	}
	now := time.Now() // read under the lock: everything committed before it is in this update or an earlier one
	st.expire(now)
	u := w.take(st)
	if w.progress > 0 && !now.Before(w.nextMark) {
		u.AsOf, w.nextMark = now, now.Add(w.progress)
	}
	return u, untilFirst(now, st.due, w.nextMark), nil
}

// untilFirst returns how long it is from now to the first of those instants that are set; 0 where none is.
func untilFirst(now time.Time, instants ...time.Time) time.Duration {
	var first time.Time
	for _, at := range instants {
		if !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	if first.IsZero() {
		return 0
	}
	return first.Sub(now)
}

// leave forgets w.
func (st *store) leave(w *watcher) {
	st.mu.Lock()
	defer st.mu.Unlock()
	delete(st.watchers, w)
}

// state returns all records under prefix in the order of their creation.
func (st *store) state(prefix string) []engine.Change {
	var all []engine.Change
	for key, r := range st.records {
		if strings.HasPrefix(key, prefix) {
			all = append(all, engine.Change{Record: r})
		}
	}
	sortByCreated(all)
	return all
}

// rewind begins a new life, which nobody takes part in yet.
func (st *store) rewind(now time.Time) {
	st.life++
	st.created = max(st.created, uint64(now.UnixMicro()))
	for _, s := range st.sessions {
		s.ended = true
	}
	clear(st.records)
	clear(st.sessions)
	st.due = time.Time{}
	for w := range st.watchers {
		w.err = engine.ErrRewound
		w.signal()
	}
}

func sortByCreated(changes []engine.Change) {
	slices.SortFunc(changes, func(a, b engine.Change) int { return cmp.Compare(a.Record.Created, b.Record.Created) })
}
