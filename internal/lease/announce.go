package lease

import "slices"

// A Subscription calls fn after every change to one election, or to any. It is level-triggered: several changes may come as
// one call, and fn looks for itself what is now. All calls come from one goroutine, which fn must not block.
type Subscription struct {
	l       *Lease
	queue   string // empty: any election
	fn      func()
	flagged bool
}

// Subscribe calls fn soon after every change to this election, or to any for an empty name, and once for the present state.
func (l *Lease) Subscribe(election string, fn func()) *Subscription {
	s := &Subscription{l: l, queue: election, fn: fn}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.subscribe(s)
	l.flag(s)
	return s
}

func (l *Lease) subscribe(s *Subscription) {
	if s.queue == "" {
		l.all = append(l.all, s)
		return
	}
	q := l.queues[s.queue]
	if q == nil {
		q = &queue{}
		l.queues[s.queue] = q
	}
	if q.more == nil {
		q.more = &more{}
	}
	q.more.subs = append(q.more.subs, s)
}

// Cancel ends the subscription. A call that has begun may still be under way.
func (s *Subscription) Cancel() {
	s.l.mu.Lock()
	defer s.l.mu.Unlock()
	s.l.unsubscribe(s)
}

func (l *Lease) unsubscribe(s *Subscription) {
	s.fn = nil
	same := func(x *Subscription) bool { return x == s }
	if s.queue == "" {
		l.all = slices.DeleteFunc(l.all, same)
		return
	}
	if q := l.queues[s.queue]; q != nil && q.more != nil {
		q.more.subs = slices.DeleteFunc(q.more.subs, same)
		if q.idle() {
			delete(l.queues, s.queue)
		}
	}
}

// The flag functions need mu.

func (l *Lease) flag(s *Subscription) {
	if s.flagged || s.fn == nil {
		return
	}
	s.flagged = true
	l.flagged = append(l.flagged, s)
	l.wakeAnnouncer()
}

func (l *Lease) flagClaim(c *Claim) {
	if c == nil || c.flagged || c.changed == nil {
		return
	}
	c.flagged = true
	l.awake = append(l.awake, c)
	l.wakeAnnouncer()
}

func (l *Lease) wakeAnnouncer() {
	select {
	case l.notify <- struct{}{}:
	default:
	}
}

// flagQueue announces a change to an election to all who want to know of it. For the own candidate that is at the head, and where
// there may be a wish to make way for. Thousands that wait sleep through what others do.
func (l *Lease) flagQueue(election string, q *queue) {
	if q.heads() || q.more != nil {
		l.flagClaim(q.own)
	}
	l.flagClaim(l.claims.at(spot{wish, election}))
	if q.more == nil {
		return
	}
	for _, s := range q.more.subs {
		l.flag(s)
	}
}

func (l *Lease) flagAll() {
	for _, s := range l.all {
		l.flag(s)
	}
}

// flagHeads announces a change of trust to those who wait for it at the head of a queue.
func (l *Lease) flagHeads() {
	for c := range l.claims.all() {
		if c.token == 0 && l.heads(c) {
			l.flagClaim(c)
		}
	}
}

// announce calls the subscribers that were flagged, until the lease is closed.
func (l *Lease) announce() {
	for {
		select {
		case <-l.notify:
		case <-l.ctx.Done():
			return
		}
		for _, fn := range l.takeFlagged() {
			fn()
		}
		l.announced()
	}
}

// announced lets those go on who have waited for what was announced to be done.
//
//nolint:contextcheck,nolintlint // calls end with their session; it is callers in other packages that would be named
func (l *Lease) announced() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.announcing = false
	l.pump()
}

func (l *Lease) takeFlagged() []func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.announcing = true
	fns := make([]func(), 0, len(l.flagged)+len(l.awake))
	for _, s := range l.flagged {
		s.flagged = false
		if s.fn != nil {
			fns = append(fns, s.fn)
		}
	}
	for _, c := range l.awake {
		c.flagged = false
		if c.changed != nil {
			fns = append(fns, c.changed)
		}
	}
	l.flagged, l.awake = nil, nil
	return fns
}
