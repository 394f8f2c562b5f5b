package fence

import (
	"context"
	"fmt"
	"sync"
)

// A Gate fences resources that live in this process's memory, or that only this process can reach. The zero Gate is ready
// for use, from any number of goroutines.
//
// It forgets at a restart: the first term that comes then is accepted, however old it is. Where effects outlive
// the process, the check belongs to where they are kept (see the package comment).
//
// For each resource and election it keeps a few bytes for ever, so names must not be taken from strangers.
type Gate struct {
	mu    sync.Mutex
	lanes map[laneKey]*lane
}

type laneKey struct{ resource, election string }

// A lane is where the terms of one election reach one resource.
type lane struct {
	newest  uint64           // the highest token seen
	running uint64           // the token of all effects inside
	inside  map[*inside]bool // empty when nobody is
	changed chan struct{}    // closed when a waiter has to look again
}

// inside is one effect that is running.
type inside struct {
	cancel context.CancelCauseFunc
}

// Do runs the effect if the term is at least as new as every term of its election that came to this resource before, and
// returns what it returns.
//
// Effects of one term may run at the same time; the user's own lock, if the data need one, goes into effect. Effects of
// different terms never do. When a newer term comes, the contexts of the effects that are still running end, with a
// [*StaleError] as the cause; the newer one waits until they have returned. So an effect that ignores its context holds up its
// successors, and what it does is still done before they begin.
//
// Do returns a [*StaleError] without calling effect if a newer term has come, even if only to wait; [ErrNoTerm] and
// [ErrInvalid] as [Validate] and [ValidateResource] do; and ctx's cause if it ends before effect was called (even then the
// token may count as seen). An effect must not call Do with a newer term of the same resource and election: it would wait for
// itself.
func (g *Gate) Do(ctx context.Context, resource string, term Term, effect func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	me := &inside{cancel}
	l, err := g.enter(ctx, me, resource, term)
	if err != nil {
		return err
	}
	defer g.leave(l, me)
	return effect(ctx)
}

// Reset forgets the highest token of one resource and election, and logs what it was (see [Reset]). The contexts of effects
// that are running end; the next term still waits until they have returned.
func (g *Gate) Reset(ctx context.Context, r Reset) error {
	if err := r.Validate(); err != nil {
		return err
	}
	if err := ValidateResource(r.Resource); err != nil {
		return err
	}
	r.Log(ctx, g.forget(r))
	return nil
}

// enter waits until me may run.
func (g *Gate) enter(ctx context.Context, me *inside, resource string, term Term) (*lane, error) {
	if err := ValidateResource(resource); err != nil {
		return nil, err
	}
	if err := Check(resource, term, 0); err != nil { // before a lane is made for it
		return nil, err
	}
	for ctx.Err() == nil {
		l, changed, err := g.try(me, resource, term)
		if err != nil || changed == nil {
			return l, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	return nil, fmt.Errorf("resource %q: wait for older terms to end: %w", resource, context.Cause(ctx))
}

// try lets me in, or returns what to wait for before the next try.
func (g *Gate) try(me *inside, resource string, term Term) (*lane, <-chan struct{}, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.lane(resource, term.Election())
	token := term.Token()
	if err := Check(resource, term, l.newest); err != nil {
		return nil, nil, err
	}
	if token > l.newest {
		l.newest = token
		if l.running != token {
			l.end(&StaleError{Resource: resource, Election: term.Election(), Token: l.running, Newest: token})
		}
	}
	if len(l.inside) > 0 && l.running != token {
		return l, l.changed, nil
	}
	l.running = token
	l.inside[me] = true
	return l, nil, nil
}

func (g *Gate) leave(l *lane, me *inside) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(l.inside, me)
	l.wake()
}

func (g *Gate) forget(r Reset) uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.lane(r.Resource, r.Election)
	forgotten := l.newest
	l.newest = 0
	l.end(fmt.Errorf("fence of resource %q and election %q was reset: %s", r.Resource, r.Election, r.Reason))
	return forgotten
}

// lane is called with the lock held.
func (g *Gate) lane(resource, election string) *lane {
	key := laneKey{resource, election}
	l, ok := g.lanes[key]
	if !ok {
		if g.lanes == nil {
			g.lanes = map[laneKey]*lane{}
		}
		l = &lane{inside: map[*inside]bool{}, changed: make(chan struct{})}
		g.lanes[key] = l
	}
	return l
}

// end asks the effects inside to return, and lets those that wait find out that they are stale.
func (l *lane) end(cause error) {
	for effect := range l.inside {
		effect.cancel(cause)
	}
	l.wake()
}

// wake lets all waiters look again.
func (l *lane) wake() {
	close(l.changed)
	l.changed = make(chan struct{})
}
