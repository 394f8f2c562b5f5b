package singleton

import (
	"math/rand/v2"
	"time"
)

// A backoff says how long a unit that failed rests.
type backoff struct {
	first, limit time.Duration

	level int       // how many times the rest has doubled
	over  time.Time // when the last rest ends
}

// next returns the rest after a failure.
func (b *backoff) next() time.Duration {
	now := time.Now()
	if well := now.Sub(b.over) / b.limit; well > 0 {
		b.level = max(0, b.level-int(min(well, 64)))
	}
	d := b.limit
	if b.level < 32 && b.first < b.limit>>b.level {
		d = b.first << b.level
		b.level++
	}
	d = d*3/4 + rand.N(d/2+1) // what failed in many processes at once shall not come back in all at once
	b.over = now.Add(d)
	return d
}
