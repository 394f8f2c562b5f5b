package httpsingleton

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Options say how a [Transport] treats requests while nobody serves. The zero Options are the default.
type Options struct {
	// Base sends the requests, to the address that the service has; the default is a clone of [http.DefaultTransport].
	Base http.RoundTripper

	// FailFast makes requests fail at once with [ErrNobody] where they would wait.
	FailFast bool

	// MaxWait is how long a request waits at most, beside the limit of its own context; default 1 min.
	MaxWait time.Duration

	// MaxWaiting is how many requests may wait at a time; default 1000. Those beyond fail at once with [ErrTooMany].
	MaxWaiting int

	// MaxWaitingBytes is how large the bodies of the requests that wait may be together, as far as they say it by
	// ContentLength; default 16 MiB. A body of unknown length is not in memory, and counts nothing.
	MaxWaitingBytes int64
}

func (o Options) withDefaults() (Options, error) {
	o.MaxWait = cmp.Or(o.MaxWait, time.Minute)
	o.MaxWaiting = cmp.Or(o.MaxWaiting, 1000)
	o.MaxWaitingBytes = cmp.Or(o.MaxWaitingBytes, 16<<20)
	if o.Base == nil {
		o.Base = http.DefaultTransport.(*http.Transport).Clone()
	}
	return o, errors.Join(
		positive("MaxWait", o.MaxWait), positive("MaxWaiting", o.MaxWaiting), positive("MaxWaitingBytes", o.MaxWaitingBytes))
}

func positive[N time.Duration | int | int64](field string, n N) error {
	if n > 0 {
		return nil
	}
	return fmt.Errorf("%s %v: must be positive", field, n)
}

// Stats count what a [Transport] did while the service moved.
type Stats struct {
	Waiting      int    // requests that wait now
	WaitingBytes int64  // of their bodies
	Waited       uint64 // requests that had to wait
	Rejected     uint64 // requests that failed with ErrTooMany
	FailedFast   uint64 // requests that failed because they were not to wait
	Expired      uint64 // requests that waited for longer than MaxWait
	Resent       uint64 // attempts that surely were not run, and were made again
}

// A room is where requests wait.
type room struct {
	options Options
	expired atomic.Uint64
	resent  atomic.Uint64

	mu    sync.Mutex
	count Stats
}

// enter admits a request that has to wait.
func (r *room) enter(c *call) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	o, n := r.options, &r.count
	switch {
	case o.FailFast:
		n.FailedFast++
		return ErrNobody
	case n.Waiting >= o.MaxWaiting || n.WaitingBytes+c.size() > o.MaxWaitingBytes:
		n.Rejected++
		return fmt.Errorf("%w: %d, with %d bytes", ErrTooMany, n.Waiting, n.WaitingBytes)
	}
	if c.until.IsZero() {
		c.until = time.Now().Add(o.MaxWait)
		n.Waited++
	}
	n.Waiting++
	n.WaitingBytes += c.size()
	return nil
}

func (r *room) leave(c *call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count.Waiting--
	r.count.WaitingBytes -= c.size()
}

// size is what the request keeps in memory while it waits, as far as it says so.
func (c *call) size() int64 { return max(0, c.r.ContentLength) }

func (r *room) stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.count
	s.Expired, s.Resent = r.expired.Load(), r.resent.Load()
	return s
}
