package spread

import "time"

// Settled remembers since when each node has been seen, so that one that comes and goes moves nothing. The zero value has seen
// none.
type Settled struct {
	since map[string]time.Time
}

// Among notes who is there now, and returns those that have been there for at least d without a break.
func (s *Settled) Among(present []Node, now time.Time, d time.Duration) []Node {
	since := make(map[string]time.Time, len(present))
	var settled []Node
	for _, n := range present {
		first, ok := s.since[n.ID]
		if !ok {
			first = now
		}
		since[n.ID] = first
		if now.Sub(first) >= d {
			settled = append(settled, n)
		}
	}
	s.since = since
	return settled
}
