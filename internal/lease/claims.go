package lease

import (
	"iter"
	"maps"
)

// A spot is what a claim is on: a place of this process's.
type spot struct {
	kind kind
	of   string // the election; the key of what is outside the election range, or not where this process would put it
}

// claims are the claims of a process by their spots. There may be very many candidates and records. A candidate stands in the
// queue of its election; each record costs no more than its one name here.
type claims struct {
	queues  map[string]*queue // by election; those of the mirror
	records map[string]*Claim // by key
	others  map[spot]*Claim
}

func newClaims(queues map[string]*queue) claims {
	return claims{queues: queues, records: map[string]*Claim{}, others: map[spot]*Claim{}}
}

// none says whether there are no claims.
func (s claims) none() bool {
	for range s.all() {
		return false
	}
	return true
}

// at returns the claim on a spot, or nil.
func (s claims) at(p spot) *Claim {
	switch p.kind {
	case registry:
		return s.records[p.of]
	case candidate:
		if q := s.queues[p.of]; q != nil {
			return q.own
		}
		return nil
	default:
		return s.others[p]
	}
}

// put gives a spot to a claim; nil leaves it free.
func (s claims) put(p spot, c *Claim) {
	switch p.kind {
	case registry:
		set(s.records, p.of, c)
	case candidate:
		s.stand(p.of, c)
	default:
		set(s.others, p, c)
	}
}

func (s claims) stand(election string, c *Claim) {
	q := s.queues[election]
	if q == nil {
		q = &queue{}
		s.queues[election] = q
	}
	if q.own = c; q.idle() {
		delete(s.queues, election)
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
		for _, q := range s.queues {
			if q.own != nil && !yield(q.own) {
				return
			}
		}
		for _, some := range []iter.Seq[*Claim]{maps.Values(s.records), maps.Values(s.others)} {
			for c := range some {
				if !yield(c) {
					return
				}
			}
		}
	}
}
