package demo

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/enginetest"
	"github.com/singleton-go/singleton/engine/ramengine"
)

// A memory stage has its store and all nodes in this process. A node's end and its pauses are played at its edges: nothing of
// it reaches the store and the sink any more, or only when the pause is over.
type memory struct {
	ttl    time.Duration
	sink   string
	engine *ramengine.Engine
	cast   []*puppet
}

func openMemory(ttl time.Duration, sink string) (stage, error) {
	return &memory{ttl: ttl, sink: sink, engine: ramengine.New()}, nil
}

func (s *memory) setting() setting {
	return setting{
		words: "Three nodes within this process, on a store in its memory. Signals are simulated: a node that is killed or paused is " +
			"cut off from the store and the sink.",
		simulated: true,
	}
}

func (s *memory) store() engine.Engine { return s.engine.Connect() }

func (s *memory) failed() <-chan struct{} { return nil }

func (s *memory) why() error { return nil }

func (s *memory) enter(name string) (actor, error) {
	p := &puppet{faulty: enginetest.NewFaulty(s.engine.Connect()), done: make(chan struct{})}
	p.edge.open = make(chan struct{})
	close(p.edge.open)
	n := &node{name: name, ttl: s.ttl, sink: s.sink, edge: &p.edge, log: slog.New(slog.DiscardHandler)}
	ctx, stop := context.WithCancelCause(context.Background())
	p.stop = stop
	go func() {
		defer close(p.done)
		p.how = n.run(ctx, p.faulty)
	}()
	s.cast = append(s.cast, p)
	return p, nil
}

func (s *memory) close() error {
	for _, p := range s.cast {
		_ = p.kill()
	}
	for _, p := range s.cast {
		<-p.done
	}
	return nil
}

// A puppet is a node that is made to look like a process.
type puppet struct {
	faulty *enginetest.Faulty
	edge   edge
	heal   []func()
	stop   context.CancelCauseFunc
	done   chan struct{}
	how    error
}

func (p *puppet) kill() error {
	p.faulty.Refuse(errKilled)
	p.faulty.Close()
	p.edge.cut()
	p.stop(errKilled)
	return p.resume() // for what it holds back to be lost
}

func (p *puppet) terminate() error {
	p.stop(errors.New("told to stop"))
	return nil
}

func (p *puppet) pause() error {
	p.heal = append(p.heal, p.faulty.Hold(), p.faulty.Stall(), p.edge.hold())
	return nil
}

func (p *puppet) resume() error {
	for _, heal := range p.heal {
		heal()
	}
	p.heal = nil
	return nil
}

func (p *puppet) ended() <-chan struct{} { return p.done }
func (p *puppet) err() error             { return p.how }

var errKilled = errors.New("killed")

// An edge is where the effects of a node leave it.
type edge struct {
	mu   sync.Mutex
	open chan struct{} // closed while effects may leave
	dead bool
}

// hold keeps back what leaves from now on, whatever its sender thinks meanwhile: it leaves when the pause is over.
func (e *edge) hold() (release func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	held := make(chan struct{})
	e.open = held
	return sync.OnceFunc(func() { close(held) })
}

// cut loses what leaves from now on.
func (e *edge) cut() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dead = true
}

// RoundTrip implements [http.RoundTripper].
func (e *edge) RoundTrip(r *http.Request) (*http.Response, error) {
	e.mu.Lock()
	open := e.open
	e.mu.Unlock()
	<-open
	e.mu.Lock()
	dead := e.dead
	e.mu.Unlock()
	if dead {
		return nil, errKilled
	}
	return http.DefaultTransport.RoundTrip(r.WithContext(context.WithoutCancel(r.Context())))
}
