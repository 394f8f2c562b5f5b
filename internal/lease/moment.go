package lease

import (
	"sync/atomic"
	"time"
)

// A moment is a reading of the clocks: the monotonic one, and how long the machine has been suspended so far, which the
// monotonic clock leaves out.
type moment struct {
	at     time.Time
	asleep time.Duration
}

// elapsed is the time from m to now, suspension included.
func (m moment) elapsed(now moment) time.Duration {
	return now.at.Sub(m.at) + max(0, now.asleep-m.asleep)
}

// A clock reads moments.
type clock struct {
	suspended func() time.Duration
	last      atomic.Int64
}

// The two system clocks are read one after the other, so their difference trembles: less than this is no suspension. It never
// falls; where it seems to, this thread was kept waiting between the two readings.
const tremble = 20 * time.Millisecond

func (c *clock) now() moment {
	m := moment{at: time.Now(), asleep: c.suspended()}
	last := time.Duration(c.last.Load())
	if m.asleep-last < tremble {
		m.asleep = last
	} else {
		c.last.Store(int64(m.asleep))
	}
	return m
}
