package guard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/guard/tether"
)

// called says that Main was called, with a function.
var called atomic.Bool

const (
	readyLimit = 5 * time.Second // for the first guard to be there, before the program goes on without it

	firstRest = 100 * time.Millisecond // before a dead guard is replaced; it doubles
	lastRest  = 10 * time.Second
	longLife  = time.Minute // of a guard, after which the next one's rest is the first again
)

// A Guard is the guard process of this process: the present one, or the next when that dies. It is safe for concurrent use.
type Guard struct {
	log  *slog.Logger
	quit context.CancelFunc
	done chan struct{} // closed when there is no guard process any more

	mu       sync.Mutex
	sessions sessions
	stopped  bool
	end      *tether.End // to the present guard; nil while there is none
	kill     func()      // the present guard
}

// Check says why this process can't have a guard, if so: the engine can't end sessions of other processes, or the system is
// none that guards work on (both are [errors.ErrUnsupported]), or [Main] was not called.
func Check(e engine.Engine) error {
	if _, ok := e.(engine.Ender); !ok {
		return fmt.Errorf("guard: %T can't end the sessions of other processes: %w", e, errors.ErrUnsupported)
	}
	return ready()
}

func ready() error {
	switch {
	case !tether.Supported:
		return fmt.Errorf("guard: not on this system: %w", errors.ErrUnsupported)
	case !called.Load():
		return errors.New("guard: guard.Main was not called, with a function that opens the engine: it must come first in main")
	}
	return nil
}

// Start starts a guard for this process, and keeps one there until [Guard.Stop]. It returns when the guard is there, or after
// 5 s if it is slow to come, or when ctx ends; no store is needed for that. It fails if [Main] was not called, or the guard
// ended at once. With a nil logger nothing is logged.
func Start(ctx context.Context, log *slog.Logger) (*Guard, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if err := ready(); err != nil {
		return nil, err
	}
	g := &Guard{log: log, done: make(chan struct{}), sessions: sessions{}}
	if pid1 != nil {
		g.end, g.quit, g.kill = pid1, func() {}, func() {}
		close(g.done)
		return g, nil
	}
	p, err := g.start()
	if err == nil {
		err = p.await(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	var life context.Context
	life, g.quit = context.WithCancel(context.WithoutCancel(ctx))
	go g.keep(life, p) // Stop waits for it
	return g, nil
}

// keep replaces guards that die, until there is to be none.
func (g *Guard) keep(life context.Context, p *process) {
	defer close(g.done)
	rest := firstRest
	for {
		born := time.Now()
		err := p.wait()
		if life.Err() != nil {
			return
		}
		if time.Since(born) > longLife {
			rest = firstRest
		}
		for p = nil; p == nil; rest = min(2*rest, lastRest) {
			g.log.Warn("guard ended: it is replaced", "after", rest, "err", err)
			select {
			case <-time.After(rest):
			case <-life.Done():
				return
			}
			if p, err = g.start(); err == nil {
				g.log.Info("guard replaced", "pid", p.PID())
			}
		}
	}
}

// start starts a guard process, and tells it of all sessions.
func (g *Guard) start() (*process, error) {
	p, err := startProcess(g.log)
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.end, g.kill = p.End, p.Kill
	for id, ttl := range g.sessions {
		g.tell(Message{Opened: id, TTL: ttl})
	}
	if g.stopped {
		g.dismiss()
	}
	return p, nil
}

// Protect returns an engine whose sessions the guard ends when this process is gone. The guard knows of a session before it
// is used.
func (g *Guard) Protect(e engine.Engine) engine.Engine { return Report(e, g.heed) }

func (g *Guard) heed(m Message) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.sessions.apply(m) && g.end != nil {
		g.tell(m)
	}
}

// tell needs mu. Who can't be told is dead or will be, and its successor is told.
func (g *Guard) tell(m Message) {
	if err := g.end.Send(m); err != nil {
		g.kill()
	}
}

// Stop ends the guard, and returns when it has ended; if ctx ends first it is killed. But while sessions are open, the guard is
// left alone: work may still be done in them, and they are to end when this process is gone.
func (g *Guard) Stop(ctx context.Context) {
	g.mu.Lock()
	idle := len(g.sessions) == 0
	if idle && !g.stopped {
		g.stopped = true
		g.quit()
		g.dismiss()
	}
	kill := g.kill
	g.mu.Unlock()
	if !idle {
		return
	}
	select {
	case <-g.done:
	case <-ctx.Done():
		kill()
		<-g.done
	}
}

// dismiss tells a guard process that knows of no session to end. PID 1 can't end. It needs mu.
func (g *Guard) dismiss() {
	if g.end != nil && g.end != pid1 {
		_ = g.end.Close() // the guard is there no longer, if this fails
	}
}
