package real

import (
	"strings"
	"testing"
	"time"
)

// The checker is tested on histories that are written by hand, in seconds. A TTL is 2 s.
const second = int64(time.Second)

// A sketch is a history in seconds, of one contender.
type sketch struct {
	terms    []term
	stopped  map[string][]span
	losses   []int64
	outages  []span
	late     []span
	faults   []incident
	effects  []action
	accepted []uint64
	until    int64
}

// at is a term of a node in seconds.
func at(node string, token uint64, start, end int64) term {
	return term{span: span{start * second, end * second}, Node: node, Token: token}
}

// by is an effect in seconds.
func by(node string, token uint64, start, end int64, refused bool) action {
	return action{span: span{start * second, end * second}, at: end * second, done: end*second + 1, node: node, token: token, refused: refused}
}

func (s sketch) judge() *Result {
	h := newHistory()
	h.losses, h.outages, h.late, h.incidents = s.losses, s.outages, s.late, s.faults
	if s.stopped != nil {
		h.stopped = s.stopped
	}
	for i, name := range contenders {
		c := h.contests[name]
		c.terms = append(c.terms, s.terms...)
		if i == 0 { // the others' are no matter
			c.effects, c.accepted = s.effects, s.accepted
		}
	}
	return judge(Options{TTL: 2 * time.Second}, span{0, s.until * second}, h)
}

func TestBrokenPromisesAreFound(t *testing.T) {
	t.Parallel()
	asleep := map[string][]span{"a": {{3 * second, 9 * second}}}
	for name, c := range map[string]struct {
		sketch
		broken string
	}{
		"one after the other":    {sketch{terms: []term{at("a", 1, 0, 5), at("b", 2, 8, 20)}, until: 20}, ""},
		"two at a time":          {sketch{terms: []term{at("a", 1, 0, 9), at("b", 2, 8, 20)}, until: 20}, "1 overlapping"},
		"one of them was asleep": {sketch{terms: []term{at("a", 1, 0, 10), at("b", 2, 6, 20)}, stopped: asleep, until: 20}, ""},
		"one slept long ago": {
			sketch{terms: []term{at("a", 1, 0, 14), at("b", 2, 12, 20)}, stopped: asleep, faults: []incident{{Kind: pause, span: span{3 * second, 0}}, {Kind: cut, span: span{6 * second, 0}}}, until: 20},
			"1 overlapping",
		},
		"nobody for too long": {sketch{terms: []term{at("a", 1, 0, 5), at("b", 2, 10, 20)}, until: 20}, "longer than the bound, 1 times, once 5000 ms of 4000"},
		"nobody at the end":   {sketch{terms: []term{at("a", 1, 0, 5)}, until: 20}, "longer than the bound"},
		"etcd lost its leader": {
			sketch{terms: []term{at("a", 1, 0, 5), at("b", 2, 12, 20)}, losses: []int64{7 * second}, until: 20}, "",
		},
		"long after etcd lost its leader": {
			sketch{terms: []term{at("a", 1, 0, 5), at("b", 2, 14, 20)}, losses: []int64{7 * second}, until: 20}, "once 7000 ms of 6000",
		},
		"etcd was away": {
			sketch{terms: []term{at("a", 1, 0, 5), at("b", 2, 16, 20)}, outages: []span{{4 * second, 11 * second}}, until: 20}, "",
		},
		"long after etcd was away": {
			sketch{terms: []term{at("a", 1, 0, 5), at("b", 2, 18, 20)}, outages: []span{{4 * second, 11 * second}}, until: 20}, "longer than the bound",
		},
		"the machine was busy": {
			sketch{terms: []term{at("a", 1, 0, 5), at("b", 2, 10, 20)}, late: []span{{6 * second, 8 * second}}, until: 20}, "",
		},
		"another fault meanwhile": {
			sketch{terms: []term{at("a", 1, 0, 5), at("b", 2, 11, 20)}, faults: []incident{{Kind: kill, span: span{8 * second, 0}}}, until: 20}, "",
		},
		"the fence lets a stale effect in": {sketch{terms: []term{at("a", 1, 0, 20)}, accepted: []uint64{1, 2, 1}, until: 20}, "the fence has accepted 1"},
		"the fence refuses the newest": {
			sketch{terms: []term{at("a", 1, 0, 20)}, effects: []action{by("a", 1, 1, 2, true)}, until: 20}, "in no order",
		},
		"an effect after another's began": {
			sketch{terms: []term{at("a", 1, 0, 5), at("b", 2, 6, 20)}, effects: []action{by("b", 2, 7, 8, false), by("a", 1, 9, 10, true)}, until: 20},
			"not suspended is in no order",
		},
		"the same of one that was asleep": {
			sketch{
				terms:   []term{at("a", 1, 0, 11), at("b", 2, 6, 20)},
				effects: []action{by("b", 2, 7, 8, false), by("a", 1, 10, 11, true)}, stopped: asleep, until: 20,
			}, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := strings.Join(c.judge().Broken, "; ")
			if c.broken == "" && got != "" || !strings.Contains(got, c.broken) {
				t.Errorf("broken: %q, it should be %q", got, c.broken)
			}
		})
	}
}

func TestASeedIsAPlan(t *testing.T) {
	t.Parallel()
	o := Options{For: 10 * time.Minute, Nodes: 5, Members: 3, TTL: 2 * time.Second, Seed: 5}
	one, same := makePlan(o), makePlan(o)
	o.Seed++
	other := makePlan(o)
	had := map[kind]bool{}
	for i := range one {
		if one[i] != same[i] {
			t.Fatalf("step %d of one seed: %+v and %+v", i, one[i], same[i])
		}
		had[one[i].kind] = true
	}
	if len(one) < 100 || one[0] == other[0] && one[1] == other[1] {
		t.Errorf("%d steps, the first of two seeds: %+v and %+v", len(one), one[0], other[0])
	}
	for _, k := range kinds {
		if !had[k] {
			t.Errorf("no %s in ten minutes", k)
		}
	}
}
