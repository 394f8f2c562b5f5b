package httpsingleton

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// HTTP/1 can't tell a client that a connection is about to be closed: a request that is sent at that moment fails, and its
// sender can't know that it was not run. So a server that stops refuses requests for a little while, until its clients have
// learnt that the address was withdrawn.
const (
	unused = 5 * time.Millisecond   // how long there must have been no connection
	silent = 250 * time.Millisecond // how long nobody must have sent anything, where connections are kept open
)

// A traffic knows what goes on at a server.
type traffic struct {
	mu      sync.Mutex
	open    map[net.Conn]bool
	last    time.Time     // when a connection was opened or closed, or a request came
	changed chan struct{} // closed at the next event; nil while nobody waits
}

// conn is told of each connection's states.
func (t *traffic) conn(c net.Conn, s http.ConnState) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch s {
	case http.StateNew:
		t.open[c] = true
	case http.StateClosed, http.StateHijacked:
		delete(t.open, c)
	case http.StateIdle:
		return
	case http.StateActive:
	}
	t.last = time.Now()
	if t.changed != nil {
		close(t.changed)
		t.changed = nil
	}
}

// settle waits until nobody sends anything any more, or done is closed.
func (t *traffic) settle(done <-chan struct{}) {
	for since := time.Now(); ; {
		wait, changed := t.unsettled(since)
		if wait <= 0 {
			return
		}
		timer := time.NewTimer(wait)
		select {
		case <-changed:
			timer.Stop()
		case <-timer.C:
		case <-done:
			timer.Stop()
			return
		}
	}
}

// unsettled says how long to wait from now on, if nothing changes.
func (t *traffic) unsettled(since time.Time) (time.Duration, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.changed == nil {
		t.changed = make(chan struct{})
	}
	if t.last.After(since) {
		since = t.last
	}
	if len(t.open) == 0 {
		return time.Until(since.Add(unused)), t.changed
	}
	return time.Until(since.Add(silent)), t.changed
}
