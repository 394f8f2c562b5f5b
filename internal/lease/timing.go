package lease

import (
	"fmt"
	"time"
)

// Timing holds the durations that trust rests on. A zero field means its default.
type Timing struct {
	TTL         time.Duration // how long a session outlives its last renewal in the store; default 10 s
	Renewal     time.Duration // from one renewal to the next; default TTL/4
	CallTimeout time.Duration // for one call of the store; default TTL/10
	Drain       time.Duration // for a runner to return after leadership was lost; default TTL/4
	Margin      time.Duration // between the end of the drain and the earliest expiry in the store; default TTL/20
	Drift       float64       // by how much the rates of two clocks may differ; default 0.1
}

// The smallest TTL: below it, scheduling delays of an ordinary machine eat the margin.
const minTTL = 100 * time.Millisecond

// WithDefaults fills the zero fields.
func (t Timing) WithDefaults() Timing {
	set := func(d *time.Duration, def time.Duration) {
		if *d == 0 {
			*d = def
		}
	}
	set(&t.TTL, 10*time.Second)
	set(&t.Renewal, t.TTL/4)
	set(&t.CallTimeout, t.TTL/10)
	set(&t.Drain, t.TTL/4)
	set(&t.Margin, t.TTL/20)
	if t.Drift == 0 {
		t.Drift = 0.1
	}
	return t
}

// Check refuses a combination under which a runner could outlast its lease, or leadership would be lost by one slow answer.
// It expects t to have its defaults.
func (t Timing) Check() error {
	if t.TTL < minTTL {
		return fmt.Errorf("TTL %v: must be at least %v", t.TTL, minTTL)
	}
	for _, f := range []struct {
		name string
		d    time.Duration
	}{{"Renewal", t.Renewal}, {"CallTimeout", t.CallTimeout}, {"Drain", t.Drain}, {"Margin", t.Margin}} {
		if f.d <= 0 {
			return fmt.Errorf("%s %v: must be positive", f.name, f.d)
		}
		if f.d > t.TTL {
			return fmt.Errorf("%s %v: must not be more than TTL %v", f.name, f.d, t.TTL)
		}
	}
	if !(t.Drift >= 0 && t.Drift < 1) { // so that NaN is refused
		return fmt.Errorf("Drift %v: must be from 0 to below 1", t.Drift)
	}
	if need := t.Renewal + t.CallTimeout + t.Drain + t.Margin; need > t.sure() {
		return fmt.Errorf("TTL %v is too short: Renewal %v + CallTimeout %v + Drain %v + Margin %v = %v, "+
			"more than TTL %v x (1 - Drift %v) = %v", t.TTL, t.Renewal, t.CallTimeout, t.Drain, t.Margin, need,
			t.TTL, t.Drift, t.sure())
	}
	return nil
}

// sure is the part of the TTL that has passed on no clock within the drift when it has passed on ours.
func (t Timing) sure() time.Duration {
	return time.Duration(float64(t.TTL) * (1 - t.Drift))
}

// reach is how far the stop line lies behind the last proof of trust, for a session that was granted ttl.
func (t Timing) reach(ttl time.Duration) time.Duration {
	t.TTL = ttl
	return t.sure() - t.Margin - t.Drain
}
