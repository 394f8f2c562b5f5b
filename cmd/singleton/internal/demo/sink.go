package demo

import (
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/singleton-go/singleton/fence"
	"github.com/singleton-go/singleton/fence/httpfence"
)

// A sink is where the effects of all nodes go: an HTTP server on loopback, behind a fence. What it accepts it stamps by its own
// clock, while it holds back every other term.
type sink struct {
	url     string
	changed chan struct{} // has something when an effect came
	server  http.Server
	fenced  http.Handler
	served  chan struct{}
	started time.Time

	mu      sync.Mutex
	history history
}

func openSink() (*sink, error) {
	s := &sink{changed: make(chan struct{}, 1), served: make(chan struct{}), started: time.Now()}
	var err error
	s.fenced, err = httpfence.Handler(http.HandlerFunc(s.accept), httpfence.Options{
		Resource: "sink", Elections: elections[:],
	})
	if err != nil {
		return nil, fmt.Errorf("sink: %w", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("sink: %w", err)
	}
	s.url = "http://" + l.Addr().String()
	s.server = http.Server{Handler: http.HandlerFunc(s.receive), ReadHeaderTimeout: time.Minute}
	go func() {
		defer close(s.served)
		_ = s.server.Serve(l) // returns when the sink is closed
	}()
	return s, nil
}

func (s *sink) close() {
	_ = s.server.Close()
	<-s.served
}

// now reads the clock that effects are stamped by.
func (s *sink) now() time.Duration { return time.Since(s.started) }

// receive lets an effect through the fence, and counts it if it is stale.
func (s *sink) receive(w http.ResponseWriter, r *http.Request) {
	answer := &answer{ResponseWriter: w}
	s.fenced.ServeHTTP(answer, r)
	if answer.status != http.StatusPreconditionFailed {
		return
	}
	if term, err := fence.ParseTerm(r.Header.Get(fence.ElectionHeader), r.Header.Get(fence.TokenHeader)); err == nil {
		s.note(func(h *history) { h.refuse(term.Election(), term.Token()) })
	}
}

// accept is the effect itself, within the fence.
func (s *sink) accept(_ http.ResponseWriter, r *http.Request) {
	if term, ok := fence.TermFrom(r.Context()); ok {
		s.note(func(h *history) { h.accept(term.Election(), term.Token(), s.now()) })
	}
}

func (s *sink) note(what func(*history)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	what(&s.history)
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

func (s *sink) tally(election string) tally {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.history.tally(election)
}

func (s *sink) handover(election string, token uint64) handover {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.history.handover(election, token)
}

// An answer remembers its status.
type answer struct {
	http.ResponseWriter
	status int
}

func (a *answer) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

// Unwrap lets the fence reach the connection.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
