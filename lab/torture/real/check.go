package real

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// The promised bounds of the time without a leader: while a majority of etcd is up and its leader stays, and after it has lost
// its leader, since etcd then gives every lease its whole TTL anew.
func bound(ttl time.Duration) time.Duration          { return ttl + 2*time.Second }
func boundAfterLoss(ttl time.Duration) time.Duration { return bound(ttl) + 2*electionTimeout }

// A Result is what came of a run.
type Result struct {
	Options    Options   `json:"options"`
	Ran        float64   `json:"ran"` // seconds
	Faults     []Fault   `json:"faults"`
	Losses     int       `json:"etcdLeaderLosses"`
	Outage     float64   `json:"etcdWithoutMajority"` // seconds
	Late       float64   `json:"machineLate"`         // seconds in which nothing of this ran for longer than a margin
	Contenders []Outcome `json:"contenders"`
	Broken     []string  `json:"broken"` // promises of this library; empty if all were kept

	window  span
	history *history
}

// A Fault is how often a kind of fault was made.
type Fault struct {
	Kind  kind `json:"kind"`
	Count int  `json:"count"`
}

// An Outcome is what became of one contender's election. Durations are in milliseconds.
type Outcome struct {
	Name    string `json:"name"`
	Terms   int    `json:"terms"`
	Effects int    `json:"effects"`

	Overlaps  Overlaps `json:"overlaps"`          // nobody was suspended
	Suspended Overlaps `json:"overlapsSuspended"` // the older leader was, less than a TTL before
	Found     []Pair   `json:"found,omitempty"`   // all of both

	Stale      int `json:"stale"`      // effects of an older term after one of a newer, where nothing checks
	Refused    int `json:"refused"`    // by the fence
	OutOfOrder int `json:"outOfOrder"` // accepted by the fence after one of a newer term

	Availability float64 `json:"availability"` // percent of the time in which somebody led
	LongestGap   float64 `json:"longestGap"`   // without a leader
	Stretch      float64 `json:"stretch"`      // the longest part of a gap, compared with its bound
	Bound        float64 `json:"bound"`
	Beyond       int     `json:"beyondBound"` // how many were longer than their bound

	Executions string `json:"executions"` // Porcupine's verdict on all effects where nothing checks
	Awake      string `json:"awake"`      // without those that began after their node had been suspended
	Fenced     string `json:"fenced"`     // on the effects that the fence took or refused
}

// Overlaps are times in which two led.
type Overlaps struct {
	Count   int     `json:"count"`
	Longest float64 `json:"longest"`
}

// A Pair is two terms that overlap. Its times are seconds from the beginning.
type Pair struct {
	Older     term    `json:"older"`
	Newer     term    `json:"newer"`
	From      float64 `json:"from"`
	To        float64 `json:"to"`
	Suspended bool    `json:"suspended"` // the older one's node was, less than a TTL before
}

func (o *Overlaps) add(s span) {
	o.Count++
	o.Longest = max(o.Longest, ms(s.End-s.Start))
}

func ms(ns int64) float64 { return float64(ns/1000) / 1000 }

// judge holds a history against the promises.
func judge(o Options, window span, h *history) *Result {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := &Result{Options: o, Ran: ms(window.End-window.Start) / 1000, Losses: len(h.losses), Broken: []string{}, window: window, history: h}
	for _, k := range kinds {
		n := 0
		for _, i := range h.incidents {
			if i.Kind == k {
				n++
			}
		}
		r.Faults = append(r.Faults, Fault{k, n})
	}
	for _, s := range h.outages {
		r.Outage += ms(until(s.End, window.End)-s.Start) / 1000
	}
	for _, s := range h.late {
		r.Late += ms(s.End-s.Start) / 1000
	}
	for _, name := range contenders {
		c := h.contests[name]
		for i := range c.terms {
			c.terms[i].End = until(c.terms[i].End, window.End)
		}
		out := Outcome{Name: name, Terms: len(c.terms), Effects: len(c.effects)}
		h.overlaps(c, window.Start, o.TTL, &out)
		c.count(&out)
		h.gaps(c, window, o.TTL, &out)
		h.verdicts(c, &out)
		r.Contenders = append(r.Contenders, out)
	}
	r.hold()
	return r
}

// until is the end of what may go on.
func until(end, last int64) int64 {
	if end == 0 {
		return last
	}
	return end
}

// overlaps looks at every two terms. A process that is stopped executes nothing, so that time doesn't count.
func (h *history) overlaps(c *contest, began int64, ttl time.Duration, out *Outcome) {
	terms := slices.SortedFunc(slices.Values(c.terms), func(a, b term) int { return cmp.Compare(a.Token, b.Token) })
	for i, older := range terms {
		for _, newer := range terms[i+1:] {
			both := older.common(newer.span)
			if both.empty() || older.Token == newer.Token {
				continue
			}
			pieces := without(without([]span{both}, h.stopped[older.Node]), h.stopped[newer.Node])
			for _, p := range pieces {
				found := Pair{Older: older, Newer: newer, From: seconds(p.Start - began), To: seconds(p.End - began)}
				found.Suspended = h.suspended(older.Node, span{newer.Start - int64(ttl), p.End})
				if found.Suspended {
					out.Suspended.add(p)
				} else {
					out.Overlaps.add(p)
				}
				out.Found = append(out.Found, found)
			}
		}
	}
}

// suspended says whether a node did not run at some time within s.
func (h *history) suspended(node string, s span) bool {
	within := func(o span) bool { return !o.common(s).empty() }
	return slices.ContainsFunc(h.stopped[node], within) || slices.ContainsFunc(h.stalls[node], within)
}

// without takes holes out of spans.
func without(spans, holes []span) []span {
	for _, hole := range holes {
		var left []span
		for _, s := range spans {
			for _, part := range []span{{s.Start, min(s.End, hole.Start)}, {max(s.Start, hole.End), s.End}} {
				if !part.empty() {
					left = append(left, part)
				}
			}
		}
		spans = left
	}
	return spans
}

// count counts what reached the sinks.
func (c *contest) count(out *Outcome) {
	for _, a := range c.effects {
		if a.stale {
			out.Stale++
		}
		if a.refused {
			out.Refused++
		}
	}
	newest := uint64(0)
	for _, token := range c.accepted {
		if token < newest {
			out.OutOfOrder++
		}
		newest = max(newest, token)
	}
}

// gaps looks at the times without a leader that runs.
func (h *history) gaps(c *contest, window span, ttl time.Duration, out *Outcome) {
	gaps := h.vacancies(c, window)
	absent := int64(0)
	out.Bound = ms(int64(bound(ttl)))
	for _, g := range gaps {
		absent += g.End - g.Start
		out.LongestGap = max(out.LongestGap, ms(g.End-g.Start))
		for _, s := range h.stretches(g, ttl) {
			if s.length > s.bound {
				out.Beyond++
			}
			if ms(int64(s.length))/ms(int64(s.bound)) > out.Stretch/out.Bound {
				out.Stretch, out.Bound = ms(int64(s.length)), ms(int64(s.bound))
			}
		}
	}
	out.Availability = 100 * (1 - float64(absent)/float64(window.End-window.Start))
}

// vacancies are the times within the window in which nobody's runner ran.
func (h *history) vacancies(c *contest, window span) []span {
	gaps := []span{window}
	for _, t := range c.terms {
		gaps = without(gaps, without([]span{t.span}, h.stopped[t.Node]))
	}
	return gaps
}

// A stretch is a part of a gap in which nothing happened that moves its bound.
type stretch struct {
	length, bound time.Duration
}

// A moment is when a bound begins anew.
type moment struct {
	at   int64
	loss bool // etcd may have given every lease its whole TTL anew
}

// moments are all of them, in order: each loss of etcd's leader, both ends of each time without a majority, and each fault that befalls a
// node, which may be the next in the queue.
func (h *history) moments() (all []moment) {
	for _, at := range h.losses {
		all = append(all, moment{at, true})
	}
	for _, o := range h.outages {
		all = append(all, moment{o.Start, true}, moment{o.End, true})
	}
	for _, i := range h.incidents {
		if !i.Kind.atEtcd() {
			all = append(all, moment{i.Start, false})
		}
	}
	slices.SortFunc(all, func(a, b moment) int { return cmp.Compare(a.at, b.at) })
	return all
}

// stretches cuts a gap at the moments within it. What lies between two is held against the bound.
func (h *history) stretches(gap span, ttl time.Duration) (all []stretch) {
	loss := slices.ContainsFunc(h.losses, func(at int64) bool {
		return at <= gap.Start && at > gap.Start-int64(ttl)-int64(2*electionTimeout)
	})
	from := gap.Start
	add := func(to int64) {
		if h.outage(from, to) {
			return
		}
		s := stretch{time.Duration(to - from), bound(ttl) + h.busy(span{from, to})}
		if loss {
			s.bound += boundAfterLoss(ttl) - bound(ttl)
		}
		all = append(all, s)
	}
	for _, m := range h.moments() {
		if m.at > gap.Start && m.at < gap.End {
			add(m.at)
			from, loss = m.at, loss || m.loss
		}
	}
	add(gap.End)
	return all
}

// busy is for how long the machine let nothing of this run, which no bound can cover.
func (h *history) busy(s span) (sum time.Duration) {
	for _, l := range h.late {
		if l = l.common(s); !l.empty() {
			sum += time.Duration(l.End - l.Start)
		}
	}
	return sum
}

// outage says whether no majority of etcd was up in this time, which no outage begins or ends within.
func (h *history) outage(from, to int64) bool {
	return slices.ContainsFunc(h.outages, func(o span) bool { return o.Start <= from && until(o.End, to) >= to })
}

// hold holds the outcomes against the promises, and lists those that were broken. The fence is this library's in all elections.
func (r *Result) hold() {
	say := func(broken bool, format string, args ...any) {
		if broken {
			r.Broken = append(r.Broken, fmt.Sprintf(format, args...))
		}
	}
	for _, o := range r.Contenders {
		say(o.OutOfOrder > 0, "%s: the fence has accepted %d effects of an older term after one of a newer", o.Name, o.OutOfOrder)
		say(o.Fenced == illegal, "%s: what the fence accepted and refused is in no order", o.Name)
	}
	o := r.Contenders[0]
	say(o.Overlaps.Count > 0, "%s: %d overlapping executions with nobody suspended, the longest %.1f ms", o.Name, o.Overlaps.Count, o.Overlaps.Longest)
	say(o.Awake == illegal, "%s: what leaders did that were not suspended is in no order", o.Name)
	say(o.Beyond > 0, "%s: nobody led for longer than the bound, %d times, once %.0f ms of %.0f", o.Name, o.Beyond, o.Stretch, o.Bound)
}
