package lease

import (
	"slices"
	"strconv"
	"strings"
	"unique"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/internal/names"
)

// A kind is what a record is for.
type kind uint8

const (
	registry  kind = iota // outside the election range, and not mirrored
	candidate             // in the queue; its name is its session's ID, its value the candidate's ID
	wish                  // a request to the leader
	released              // the token of a term that ended with its runner returned
	share                 // what a process says of its part in an even spread; its name is its session's ID
)

// The keys in the election range are {range}{kind}/{election}/{name}, but for a share, which belongs to no election:
// {range}{kind}/{name}.
var kinds = [...]string{candidate: "singleton", wish: "wish", released: "released", share: "share"}

func (k kind) String() string { return kinds[k] }

// An Entry is one record of an election.
type Entry struct {
	Name    string
	Value   string
	Session string
	Created uint64
}

// An entry is an [Entry] as the mirror keeps it. Of the names of sessions there are few, and of entries there may be very many.
type entry struct {
	name    unique.Handle[string]
	session unique.Handle[string]
	value   string
	created uint64
}

func (e entry) Entry() Entry {
	return Entry{Name: e.name.Value(), Value: e.value, Session: e.session.Value(), Created: e.created}
}

// A queue is what there is to know of one election: the mirror of its records, and this process's part in it.
type queue struct {
	candidates []entry // by rising creation: the first one leads
	own        *Claim  // this process's candidacy
	more       *more   // what few elections have
	clean      bool    // the last head was seen to go, and before that to note that its runner had returned
}

type more struct {
	wishes   []entry
	released []entry
	subs     []*Subscription
}

func (q *queue) list(k kind) *[]entry {
	if k == candidate {
		return &q.candidates
	}
	if q.more == nil {
		q.more = &more{}
	}
	if k == wish {
		return &q.more.wishes
	}
	return &q.more.released
}

func (q *queue) put(k kind, e entry) {
	list := q.list(k)
	if i := q.find(k, e.name.Value()); i >= 0 {
		if (*list)[i].created == e.created {
			(*list)[i] = e
			return
		}
		q.drop(k, e.name.Value())
	}
	at, _ := slices.BinarySearchFunc(*list, e.created, func(x entry, created uint64) int {
		if x.created < created {
			return -1
		}
		return 1
	})
	*list = slices.Insert(*list, at, e)
}

func (q *queue) drop(k kind, name string) {
	i := q.find(k, name)
	if i < 0 {
		return
	}
	list := q.list(k)
	if k == candidate && i == 0 {
		q.clean = q.notes(q.candidates[0].created) // now: the note itself may go next
	}
	*list = slices.Delete(*list, i, i+1)
}

func (q *queue) find(k kind, name string) int {
	if k != candidate && q.more == nil {
		return -1
	}
	return slices.IndexFunc(*q.list(k), func(e entry) bool { return e.name.Value() == name })
}

// notes says whether the term with this token was noted to have ended with its runner returned.
func (q *queue) notes(token uint64) bool {
	note := strconv.FormatUint(token, 10)
	return q.more != nil && slices.ContainsFunc(q.more.released, func(e entry) bool { return e.value == note })
}

// clear forgets all entries. Whoever led since is not known.
func (q *queue) clear() {
	q.candidates, q.clean = nil, false
	if q.more != nil {
		q.more.wishes, q.more.released = nil, nil
	}
}

// heads says whether this process's own candidacy is at the head.
func (q *queue) heads() bool {
	return q.own != nil && q.own.created != 0 && len(q.candidates) > 0 && q.candidates[0].created == q.own.created
}

// idle says whether nothing is left to be known, and lets go of what is no longer needed.
func (q *queue) idle() bool {
	if m := q.more; m != nil && len(m.wishes) == 0 && len(m.released) == 0 && len(m.subs) == 0 {
		q.more = nil
	}
	return len(q.candidates) == 0 && q.own == nil && q.more == nil
}

// leader returns the session of the first candidate; empty for none.
func (q *queue) leader() string {
	if len(q.candidates) == 0 {
		return ""
	}
	return q.candidates[0].session.Value()
}

// A place is where a record of an election stands.
type place struct {
	kind     kind
	election string // empty for a share
	name     string
}

// place takes a key of the election range apart. Keys that are no election's are none of ours.
func (l *Lease) place(key string) (place, bool) {
	rest, ok := strings.CutPrefix(key, l.cfg.Range)
	if !ok {
		return place{}, false
	}
	text, rest, _ := strings.Cut(rest, "/")
	k := kind(slices.Index(kinds[:], text)) // 0 for the empty text, and 255 for what is none
	if k == share {
		return place{kind: k, name: rest}, rest != ""
	}
	last := strings.LastIndexByte(rest, '/')
	if k == registry || k > share || last < 0 {
		return place{}, false
	}
	p := place{kind: k, election: rest[:last], name: rest[last+1:]}
	return p, p.name != "" && names.CheckElection(p.election) == nil
}

// entryOf copies what is kept of a record. What others have kept already is shared.
func (l *Lease) entryOf(p place, r engine.Record) entry {
	e := entry{name: unique.Make(p.name), session: unique.Make(r.Session), created: r.Created}
	if c := l.claims.at(l.spot(p, r.Key)); c != nil && c.value == string(r.Value) {
		e.value = c.value
	} else {
		e.value = string(r.Value)
	}
	return e
}
