package real

import (
	"slices"
	"sync"
)

// A span is from one instant to another; an end of 0 says that it goes on.
type span struct {
	Start int64 `json:"start"`
	End   int64 `json:"end"`
}

// common returns what two spans have in common; it is empty if Start is not before End.
func (s span) common(o span) span { return span{max(s.Start, o.Start), min(s.End, o.End)} }

func (s span) empty() bool { return s.Start >= s.End }

// A term is an execution: one runner of one contender at one node, from its first instruction to its last.
type term struct {
	span
	Node  string `json:"node"`
	Life  int    `json:"life"`
	Token uint64 `json:"token"`

	killed bool // it ended with its process
}

// An action is one effect of a term: from the reading of the clock before it to the one after it. At is when it reached the sinks.
type action struct {
	span
	at, done int64 // done is when the sinks had it
	node     string
	token    uint64
	stale    bool // a newer token had been at the sink that takes everything
	refused  bool // the fence has refused it
}

// A contest is what became of the election of one contender.
type contest struct {
	terms    []term
	effects  []action
	newest   uint64   // the highest token that has reached the sink without a fence
	accepted []uint64 // the tokens of the effects behind the fence, in their order
}

// An incident is a fault that was made.
type incident struct {
	span
	Kind    kind     `json:"kind"`
	Targets []string `json:"targets"` // nodes or members
	Delay   int64    `json:"delay,omitempty"`
}

// A history is everything that happened.
type history struct {
	mu        sync.Mutex
	contests  map[string]*contest
	incidents []incident
	stopped   map[string][]span // by node: from SIGSTOP to SIGCONT
	stalls    map[string][]span // by node: when its process did not run, as it noticed itself
	late      []span            // when the machine let nothing of this run, as this process noticed
	losses    []int64           // when etcd was seen to have lost its leader, or to have another
	outages   []span            // when no majority of etcd answered
}

func newHistory() *history {
	h := &history{contests: map[string]*contest{}, stopped: map[string][]span{}, stalls: map[string][]span{}}
	for _, c := range contenders {
		h.contests[c] = &contest{}
	}
	return h
}

// with calls f with the history locked.
func (h *history) with(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
}

// leader returns the node that leads, as far as it told, and whether there is one.
func (h *history) leader(contender string) (string, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var newest term
	c, ok := h.contests[contender]
	if !ok {
		return "", false
	}
	for _, t := range c.terms {
		if t.End == 0 && t.Token > newest.Token {
			newest = t
		}
	}
	return newest.Node, newest.Token != 0
}

// died ends the terms of a process that is gone.
func (h *history) died(node string, life int, at int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.contests {
		for i := range c.terms {
			if t := &c.terms[i]; t.Node == node && t.Life == life && (t.End == 0 || t.End > at) {
				t.End, t.killed = at, true
			}
		}
	}
}

// note takes what a node tells about a contender.
func (c *contest) note(from, m message, at int64) {
	switch m.Kind {
	case begin:
		c.terms = append(c.terms, term{span: span{m.Start, 0}, Node: from.Node, Life: from.Life, Token: m.Token})
	case finish:
		i := slices.IndexFunc(c.terms, func(t term) bool {
			return t.Node == from.Node && t.Life == from.Life && t.Token == m.Token && t.End == 0
		})
		if i >= 0 {
			c.terms[i].End = m.End
		}
	case effect:
		a := action{span: span{m.Start, m.End}, at: at, node: from.Node, token: m.Token, stale: m.Token < c.newest}
		c.newest = max(c.newest, m.Token)
		c.effects = append(c.effects, a)
	}
}
