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

// review reads the clocks, and ends all holds when the stop line has passed, without any answer of the store; else it sets the
// timer for it. It returns for how long from now on the stop line is away; not positive means that it has passed. Suspension
// brings the stop line nearer, and proofs move it on: the timer finds out when it comes. It needs mu.
func (l *Lease) review() (left time.Duration) {
	now := l.clock.now()
	left = l.trust(now)
	switch {
	case l.running == 0 || l.gen == nil:
	case left <= 0:
		l.endHolds(fmt.Errorf("%w: the last renewal that succeeded was sent %v ago, the store's last news are as of %v ago",
			ErrLost, l.gen.renewed.elapsed(now).Round(time.Millisecond), l.marked.elapsed(now).Round(time.Millisecond)))
	default:
		l.setStop(left)
	}
	return left
}

// setStop sets the timer for the stop line. It needs mu.
func (l *Lease) setStop(left time.Duration) {
	if l.stop == nil {
		l.stop = time.AfterFunc(left, l.stopLine)
		return
	}
	l.stop.Reset(left)
}

// prolong notes a proof of trust. It revives nothing: what has passed the stop line before is ended first. Those who wait at
// the head of a queue for trust to come back are told. It needs mu.
func (l *Lease) prolong(note func()) {
	before := l.review()
	note()
	if before <= 0 && l.remaining() > 0 {
		l.flagHeads()
		l.pump() // what is created by those alone who are trusted
	}
}

func (l *Lease) stopLine() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.review()
}

// Trust says for how long the present session is trusted still, and why no session is opened any more, if so.
func (l *Lease) Trust() (time.Duration, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(0, l.remaining()), l.parked
}
