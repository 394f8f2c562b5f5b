package httpsingleton

import (
	"errors"
	"io"
	"net/http"
	"sync"
)

var errOutdated = errors.New("request is sent again elsewhere")

// A body lets the body of a request be sent more than once, as far as that is possible: while nothing was read from it, or
// where it can be made anew.
type body struct {
	of *http.Request

	mu     sync.Mutex
	latest *attempt // at the original
	dirty  bool     // the original was read from
	kept   bool     // the latest attempt is the one that counts
}

// An attempt is the original body, until the next attempt.
type attempt struct {
	b      *body
	closed bool
}

// next returns the body for another attempt, and false where there can be none.
func (b *body) next() (io.ReadCloser, bool) {
	if b.of.Body == nil || b.of.Body == http.NoBody {
		return b.of.Body, true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.dirty {
		b.latest = &attempt{b: b}
		return b.latest, true
	}
	b.latest = nil
	if b.of.GetBody == nil {
		return nil, false
	}
	fresh, err := b.of.GetBody()
	return fresh, err == nil
}

// repeatable says whether there can be another attempt.
func (b *body) repeatable() bool {
	if b.of.Body == nil || b.of.Body == http.NoBody || b.of.GetBody != nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.dirty
}

// keep says that there will be no other attempt: the original is closed as soon as the latest is.
func (b *body) keep() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.kept = true; b.of.Body != nil && (b.latest == nil || b.latest.closed) {
		_ = b.of.Body.Close()
	}
}

// Read implements [io.Reader].
func (a *attempt) Read(p []byte) (int, error) {
	a.b.mu.Lock()
	outdated := a.b.latest != a || a.closed
	if !outdated {
		a.b.dirty = true
	}
	a.b.mu.Unlock()
	if outdated {
		return 0, errOutdated
	}
	return a.b.of.Body.Read(p)
}

// Close closes the original, unless there may be another attempt.
func (a *attempt) Close() error {
	a.b.mu.Lock()
	defer a.b.mu.Unlock()
	if a.closed = true; a.b.kept && a.b.latest == a {
		return a.b.of.Body.Close()
	}
	return nil
}
