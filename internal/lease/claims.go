package lease

import (
	"iter"
	"maps"
)

// claims are the claims of a process by their places. There may be very many candidates and records, each of which costs no
// more than its one name here.
type claims struct {
	candidates map[string]*Claim // by election
	records    map[string]*Claim // by key
	others     map[place]*Claim
}

func newClaims() claims {
	return claims{candidates: map[string]*Claim{}, records: map[string]*Claim{}, others: map[place]*Claim{}}
}

func (s claims) len() int { return len(s.candidates) + len(s.records) + len(s.others) }

// at returns the claim on a place, or nil.
func (s claims) at(p place) *Claim {
	switch {
	case p.kind == "":
		return s.records[p.name]
	case p.kind == Candidate && p.name == "":
		return s.candidates[p.election]
	default:
		return s.others[p]
	}
}

// put gives a place to a claim; nil leaves it free.
func (s claims) put(p place, c *Claim) {
	switch {
	case p.kind == "":
		set(s.records, p.name, c)
	case p.kind == Candidate && p.name == "":
		set(s.candidates, p.election, c)
	default:
		set(s.others, p, c)
	}
}

func set[K comparable](m map[K]*Claim, k K, c *Claim) {
	if c == nil {
		delete(m, k)
		return
	}
	m[k] = c
}

// all yields every claim. As with a map, the loop may put and remove.
func (s claims) all() iter.Seq[*Claim] {
	return func(yield func(*Claim) bool) {
		for _, some := range []iter.Seq[*Claim]{maps.Values(s.candidates), maps.Values(s.records), maps.Values(s.others)} {
			for c := range some {
				if !yield(c) {
					return
				}
			}
		}
	}
}
