package singleton

import (
	"math/rand/v2"
	"time"
)

// A rest is how long a unit holds back after it has failed: first the one, and at most the other.
type rest struct{ first, limit time.Duration }

// A backoff says how long the next rest is.
type backoff struct {
	level int       // how many times it has doubled
	over  time.Time // when the last one ends
}

// next returns the rest after a failure.
func (b *backoff) next(r rest) time.Duration {
	now := time.Now()
	if well := now.Sub(b.over) / r.limit; well > 0 {
		b.level = max(0, b.level-int(min(well, 64)))
	}
	d := r.limit
	if b.level < 32 && r.first < r.limit>>b.level {
		d = r.first << b.level
		b.level++
	}
	d = d - d/4 + rand.N(d/2+1) // what failed in many processes at once shall not come back in all at once
	b.over = now.Add(d)
	return d
}
