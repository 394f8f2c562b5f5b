package demo

import (
	"testing"
	"time"
)

// An effect is one line of a recorded history.
type effect struct {
	token   uint64
	at      time.Duration
	refused bool
}

func TestHandoversAreJudgedByWhatTheSinkAccepted(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for name, c := range map[string]struct {
		effects []effect
		token   uint64
		want    handover
	}{
		"nothing came": {nil, 7, handover{}},
		"nobody followed": {
			[]effect{{7, 10 * ms, false}, {7, 20 * ms, false}},
			7,
			handover{},
		},
		"a gap": {
			[]effect{{7, 10 * ms, false}, {7, 20 * ms, false}, {9, 50 * ms, false}, {9, 60 * ms, false}},
			7,
			handover{done: true, gap: 30 * ms},
		},
		"only what was accepted counts": {
			[]effect{{7, 20 * ms, false}, {9, 50 * ms, false}, {7, 55 * ms, true}, {7, 56 * ms, true}, {9, 60 * ms, false}},
			7,
			handover{done: true, gap: 30 * ms, refused: 2},
		},
		"two leaders": {
			[]effect{{7, 20 * ms, false}, {9, 50 * ms, false}, {7, 58 * ms, false}, {9, 60 * ms, false}},
			7,
			handover{done: true, overlap: 8 * ms},
		},
		"an even older leader": {
			[]effect{{3, 10 * ms, false}, {7, 20 * ms, false}, {9, 50 * ms, false}, {3, 54 * ms, false}},
			7,
			handover{done: true, overlap: 4 * ms},
		},
		"two leaders after this one": {
			[]effect{{7, 20 * ms, false}, {12, 40 * ms, false}, {9, 50 * ms, false}},
			7,
			handover{done: true, gap: 20 * ms},
		},
		"refusals of other terms are theirs": {
			[]effect{{3, 5 * ms, false}, {7, 20 * ms, false}, {3, 25 * ms, true}, {9, 50 * ms, false}, {7, 55 * ms, true}},
			7,
			handover{done: true, gap: 30 * ms, refused: 1},
		},
		"a term without an effect": {
			[]effect{{3, 5 * ms, false}, {9, 50 * ms, false}, {7, 55 * ms, true}},
			7,
			handover{done: true, gap: 45 * ms, refused: 1},
		},
		"at the same instant": {
			[]effect{{7, 20 * ms, false}, {9, 20 * ms, false}},
			7,
			handover{done: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var h history
			for _, e := range c.effects {
				if e.refused {
					h.refuse("e", e.token)
				} else {
					h.accept("e", e.token, e.at)
				}
				h.accept("other", e.token+1, e.at) // has nothing to do with it
			}
			if got := h.handover("e", c.token); got != c.want {
				t.Errorf("judged %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestTally(t *testing.T) {
	t.Parallel()
	var h history
	h.accept("e", 7, 10)
	h.accept("e", 9, 20)
	h.refuse("e", 7)
	h.accept("e", 9, 30)
	if got, want := h.tally("e"), (tally{newest: 9, last: 30, accepted: 3, refused: 1}); got != want {
		t.Errorf("tally %+v, want %+v", got, want)
	}
}
