package lease

// A lane bounds how many calls of a kind are under way. Deletions are hand-overs and go first; creations after an outage
// must not starve renewals, which use no lane.
type lane struct {
	queue   []*Claim
	running int
	limit   int
}

const (
	laneNone = int8(iota)
	laneDelete
	laneCreate
	laneRegistry
	laneCount
)

func newLanes() [laneCount]lane {
	return [laneCount]lane{laneDelete: {limit: 64}, laneCreate: {limit: 128}, laneRegistry: {limit: 16}}
}

// The functions below need mu.

// lane says which way the next call for c goes.
func (c *Claim) lane(next call) int8 {
	switch {
	case c.kind == registry:
		return laneRegistry
	case next == callDelete:
		return laneDelete
	default:
		return laneCreate
	}
}

// pump starts as many workers as the lanes allow. It is called when a lane gets a claim, and when lanes are opened again.
func (l *Lease) pump() {
	for i := range laneCount {
		ln := &l.lanes[i]
		for n := len(ln.queue); n > 0 && ln.running < ln.limit && l.admits(i); n-- {
			ln.running++
			l.wg.Go(func() { l.work(i) })
		}
	}
}

// admits says whether calls of a lane may be made. Nobody enters a queue who is not trusted, and would only keep others waiting;
// a young process waits for its first view of the store while it enters. What is written for others to look at comes behind the
// elections that are being won: of thousands it would take half the time.
func (l *Lease) admits(lane int8) bool {
	switch {
	case l.closed || l.gen == nil:
		return false
	case lane == laneDelete:
		return true
	case lane == laneCreate && l.remaining() <= 0 && l.age() > l.cfg.Timing.TTL:
		return false
	case lane == laneRegistry && l.announcing:
		return false
	}
	return !l.gen.doubt
}

// work makes the calls of one lane until it is empty. It takes mu itself, as take does.
func (l *Lease) work(lane int8) {
	for {
		c, do := l.take(lane)
		if c == nil {
			return
		}
		do()
	}
}

// take returns a claim that needs a call, and the function that makes it.
func (l *Lease) take(lane int8) (*Claim, func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ln := &l.lanes[lane]
	for l.admits(lane) && len(ln.queue) > 0 {
		c := ln.queue[0]
		ln.queue = ln.queue[1:]
		if c.queued != lane {
			continue // it needed another call before its turn came here
		}
		c.queued = laneNone
		next := c.next()
		if l.claims.at(c.spot()) == c && c.busy == nil && next >= callCreate && c.lane(next) == lane {
			return c, l.prepare(c, next)
		}
		l.settle(c) // what it needs has changed while it waited here
	}
	ln.running--
	return nil, nil
}
