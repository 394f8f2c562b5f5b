package demo

import (
	"slices"
	"time"
)

// A history is what reached the sink, by election and term. The zero history is empty.
type history struct {
	tenures map[string][]tenure // by election, in the order in which they came first
}

// A tenure is what came of one term. Times are the sink's.
type tenure struct {
	token       uint64
	accepted    int
	first, last time.Duration // of the accepted effects
	refused     int
}

// accept notes that an effect was accepted at this time.
func (h *history) accept(election string, token uint64, at time.Duration) {
	t := h.tenure(election, token)
	if t.accepted == 0 {
		t.first = at
	}
	t.accepted++
	t.last = at
}

// refuse notes that an effect was refused because a newer term had been there.
func (h *history) refuse(election string, token uint64) {
	h.tenure(election, token).refused++
}

func (h *history) tenure(election string, token uint64) *tenure {
	all := h.tenures[election]
	i := slices.IndexFunc(all, func(t tenure) bool { return t.token == token })
	if i < 0 {
		if h.tenures == nil {
			h.tenures = map[string][]tenure{}
		}
		i = len(all)
		h.tenures[election] = append(all, tenure{token: token})
	}
	return &h.tenures[election][i]
}

// A tally sums up one election.
type tally struct {
	newest            uint64        // the highest token of which an effect was accepted
	last              time.Duration // when an effect was accepted last
	accepted, refused int
}

func (h *history) tally(election string) (sum tally) {
	for _, t := range h.tenures[election] {
		sum.accepted += t.accepted
		sum.refused += t.refused
		if t.accepted > 0 {
			sum.newest = max(sum.newest, t.token)
			sum.last = max(sum.last, t.last)
		}
	}
	return sum
}

// A handover is what happened between a term and those after it.
type handover struct {
	done    bool          // an effect of a newer term was accepted
	gap     time.Duration // from the last accepted effect of this term or an older one to the first of a newer one
	overlap time.Duration // from the first accepted effect of a newer term to the last of this one or an older one
	refused int           // effects of this term that came too late
}

// handover judges how the term with this token was followed.
func (h *history) handover(election string, token uint64) handover {
	var result handover
	var last, first time.Duration
	for _, t := range h.tenures[election] {
		if t.token == token {
			result.refused = t.refused
		}
		switch {
		case t.accepted == 0:
		case t.token <= token:
			last = max(last, t.last)
		case !result.done || t.first < first:
			result.done, first = true, t.first
		}
	}
	if result.done {
		result.gap, result.overlap = max(0, first-last), max(0, last-first)
	}
	return result
}
