package lease

// shares is the part of the mirror by which units are spread. It is kept up to date with every change, so that looking at it costs
// no time that grows with the number of elections.
type shares struct {
	said map[string]string // what processes said, by session
	led  map[string]int    // how many elections of units each session leads, where that is any
}

func newShares() shares { return shares{said: map[string]string{}, led: map[string]int{}} }

func (s shares) clear() {
	clear(s.said)
	clear(s.led)
}

// change notes what a process says, or says no longer.
func (s shares) change(name string, e entry, deleted bool) {
	switch {
	case deleted:
		delete(s.said, name)
	case e.name == e.session: // nobody speaks for another
		s.said[e.session.Value()] = e.value
	}
}

// leads notes that an election of a unit has another leader, perhaps. Nobody has no name.
func (s shares) leads(before, now string) {
	if before == now {
		return
	}
	if s.led[before]--; s.led[before] <= 0 {
		delete(s.led, before)
	}
	if now != "" {
		s.led[now]++
	}
}

// A Part is what one process takes in an even spread.
type Part struct {
	Session string
	Value   string // what it said
	Leads   int    // how many units it leads
}

// Share tells all others what part this process wants in an even spread.
func (l *Lease) Share(value string) (*Claim, error) {
	return l.claim(spot{kind: share}, value, nil)
}

// Parts returns the parts of all processes that have told any, in no order.
func (l *Lease) Parts() []Part {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]Part, 0, len(l.shares.said))
	for session, value := range l.shares.said {
		all = append(all, Part{Session: session, Value: value, Leads: l.shares.led[session]})
	}
	return all
}
