package lease

import (
	"fmt"
	"time"
)

// The trust window, and the stop line one drain before its end. What may hold, and until when, is decided here alone.

// trust says for how long from now on the stop line is away; not positive means that it has passed. It needs mu.
func (l *Lease) trust(now moment) time.Duration {
	if l.gen == nil || l.marked.at.IsZero() {
		return 0
	}
	oldest := max(l.gen.renewed.elapsed(now), l.marked.elapsed(now))
	return l.cfg.Timing.reach(l.gen.session.TTL()) - oldest
}

func (l *Lease) remaining() time.Duration { return l.trust(l.clock.now()) }

// checkStopLine ends all holds when the stop line has passed, without any answer of the store. It needs mu.
func (l *Lease) checkStopLine() bool {
	if l.remaining() > 0 || l.gen == nil {
		return false
	}
	now := l.clock.now()
	l.endHolds(fmt.Errorf("%w: the last renewal that succeeded was sent %v ago, the store's last news are as of %v ago",
		ErrLost, l.gen.renewed.elapsed(now).Round(time.Millisecond), l.marked.elapsed(now).Round(time.Millisecond)))
	return true
}

// armStopLine sets the timer that ends all holds at the stop line. It needs mu.
func (l *Lease) armStopLine() {
	if l.running == 0 {
		l.stopTimer()
		return
	}
	d := max(0, l.remaining())
	if l.stop == nil {
		l.stop = time.AfterFunc(d, l.stopLine)
		return
	}
	l.stop.Reset(d)
}

func (l *Lease) stopTimer() {
	if l.stop != nil {
		l.stop.Stop()
	}
}

func (l *Lease) stopLine() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gen != nil && !l.checkStopLine() {
		l.armStopLine() // trust was prolonged while the timer fired
	}
}

// Trust says for how long the present session is trusted still, and why no session is opened any more, if so.
func (l *Lease) Trust() (time.Duration, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(0, l.remaining()), l.parked
}
