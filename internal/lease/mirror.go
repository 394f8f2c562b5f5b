package lease

import (
	"slices"
	"strconv"
	"strings"
	"unique"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/internal/names"
)

// The kinds of records in the election range. Their keys are {range}{kind}/{election}/{name}, but for a share, which belongs to no
// election: {range}{kind}/{name}.
const (
	Candidate = "singleton" // a candidate in the queue; its name is its session's ID, its value the candidate's ID
	Wish      = "wish"      // a request to the leader
	Released  = "released"  // the token of a term that ended with its runner returned
	Share     = "share"     // what a process says of its part in an even spread; its name is its session's ID
)

// An Entry is one record of an election, as the mirror keeps it.
type Entry struct {
	Name    string
	Value   string
	Session string
	Created uint64
}

// A queue is what the mirror knows of one election.
type queue struct {
	candidates []Entry // by rising Created: the first one leads
	wishes     []Entry
	released   []Entry
	clean      bool // the last head was seen to go, and before that to note that its runner had returned
	subs       []*Subscription
}

func (q *queue) list(kind string) *[]Entry {
	switch kind {
	case Candidate:
		return &q.candidates
	case Wish:
		return &q.wishes
	default:
		return &q.released
	}
}

func (q *queue) put(kind string, e Entry) {
	list := q.list(kind)
	if i := q.find(kind, e.Name); i >= 0 {
		if (*list)[i].Created == e.Created {
			(*list)[i] = e
			return
		}
		q.drop(kind, e.Name)
	}
	at, _ := slices.BinarySearchFunc(*list, e.Created, func(x Entry, created uint64) int {
		if x.Created < created {
			return -1
		}
		return 1
	})
	*list = slices.Insert(*list, at, e)
}

func (q *queue) drop(kind, name string) {
	i := q.find(kind, name)
	if i < 0 {
		return
	}
	list := q.list(kind)
	if kind == Candidate && i == 0 {
		q.clean = q.notes(q.candidates[0].Created) // now: the note itself may go next
	}
	*list = slices.Delete(*list, i, i+1)
}

func (q *queue) find(kind, name string) int {
	return slices.IndexFunc(*q.list(kind), func(e Entry) bool { return e.Name == name })
}

// notes says whether the term with this token was noted to have ended with its runner returned.
func (q *queue) notes(token uint64) bool {
	note := strconv.FormatUint(token, 10)
	return slices.ContainsFunc(q.released, func(e Entry) bool { return e.Value == note })
}

// clear forgets all entries. Whoever led since is not known.
func (q *queue) clear() {
	q.candidates, q.wishes, q.released, q.clean = nil, nil, nil, false
}

func (q *queue) idle() bool {
	return len(q.candidates) == 0 && len(q.wishes) == 0 && len(q.released) == 0 && len(q.subs) == 0
}

func (q *queue) head() Entry {
	if len(q.candidates) == 0 {
		return Entry{}
	}
	return q.candidates[0]
}

// A place is where a record of an election stands.
type place struct {
	kind     string
	election string // empty for a share
	name     string // empty: the ID of the session that holds it
}

// place takes a key of the election range apart. Keys that are no election's are none of ours.
func (l *Lease) place(key string) (place, bool) {
	rest, ok := strings.CutPrefix(key, l.cfg.Range)
	if !ok {
		return place{}, false
	}
	kind, rest, _ := strings.Cut(rest, "/")
	if kind == Share {
		return place{kind: kind, name: rest}, rest != ""
	}
	last := strings.LastIndexByte(rest, '/')
	if kind != Candidate && kind != Wish && kind != Released || last < 0 {
		return place{}, false
	}
	p := place{kind: kind, election: rest[:last], name: rest[last+1:]}
	return p, p.name != "" && names.CheckElection(p.election) == nil
}

// entryOf copies what is kept of a record. What others have kept already is shared.
func (l *Lease) entryOf(p place, r engine.Record) Entry {
	e := Entry{Name: p.name, Session: unique.Make(r.Session).Value(), Created: r.Created}
	if c := l.claims.at(l.own(p)); c != nil && c.value == string(r.Value) {
		e.Value = c.value
	} else {
		e.Value = string(r.Value)
	}
	if e.Name == e.Session {
		e.Name = e.Session // shares its bytes, and lets go of the key's
	} else {
		e.Name = strings.Clone(p.name)
	}
	return e
}
