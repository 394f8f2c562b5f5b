package singleton

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/election"
)

// A run is a unit's runner at work, from Startup to Shutdown: under one term, or as a replica.
type run struct {
	in   *instance
	term election.Term
	log  *slog.Logger
	ctx  context.Context //nolint:containedctx // the runner's own
	end  context.CancelCauseFunc

	watched sync.WaitGroup // of the goroutine that watches over the runner's end

	// Of the goroutine that has the instance.
	next    stage // what follows the part of the runner that is being called
	result  error // what that part returned
	started bool
	reason  error // for Shutdown

	// Under the mutex of the instance.
	ready     bool          // Run was called
	finished  bool          // Run returned nil by itself
	broke     bool          // the runner failed or panicked
	returned  bool          // for good
	awaited   chan struct{} // closed then; nil until somebody waits for it
	deadline  time.Time
	stuck     bool
	tooLate   context.CancelCauseFunc // of Shutdown's context; nil while there is none
	kept      []Endpoint              // to be published when the unit is ready
	published []*discovery.Publication
}

// begin makes the run of a term. It needs mu.
func (in *instance) begin(t election.Term) {
	r := &run{in: in, term: t}
	if t.Token() == 0 {
		r.log = in.rt.log.With("unit", in.name)
		r.ctx, r.end = context.WithCancelCause(context.WithValue(in.rt.ctx, runKey{}, r))
	} else {
		r.log = in.rt.log.With("unit", in.name, "token", t.Token())
		r.ctx, r.end = context.WithValue(t.Context(), runKey{}, r), t.Stop
	}
	r.watched.Add(1)
	context.AfterFunc(r.ctx, r.drain)
	in.run = r
}

// logWith returns the logger, with the stack of a panic.
func (r *run) logWith(err error) *slog.Logger {
	if stack := stackOf(err); stack != "" {
		return r.log.With("stack", stack)
	}
	return r.log
}

// finish says that the runner has returned for good.
func (r *run) finish() {
	r.in.mu.Lock()
	r.returned = true
	if r.awaited != nil {
		close(r.awaited)
	}
	r.in.mu.Unlock()
	r.watched.Wait()
}

// drain watches over the runner from the end of its context until it has returned.
func (r *run) drain() {
	defer r.watched.Done()
	budget := r.budget()
	returned := r.told()
	if returned == nil {
		return
	}
	timer := time.NewTimer(time.Until(budget))
	defer timer.Stop()
	lost := r.term.Lost()
	for {
		select {
		case <-returned:
			return
		case <-lost:
			lost = nil
			timer.Reset(time.Until(r.budget()))
		case <-timer.C:
			lost = nil // the budget is over, and can't end once more
			r.outlasts()
		}
	}
}

// told shows that the runner was told to stop, unless it has ended by itself. From here on nobody shall call the service. It
// returns what is closed when the runner has returned; nil where that is so already.
func (r *run) told() (returned <-chan struct{}) {
	r.in.mu.Lock()
	r.withdraw()
	broke, finished := r.broke, r.finished
	if !broke {
		r.in.set(Stopping)
	}
	if !r.returned {
		r.awaited = make(chan struct{})
	}
	returned = r.awaited
	r.in.mu.Unlock()
	switch cause := context.Cause(r.ctx); {
	case broke || finished:
	case errors.Is(cause, ErrLost):
		r.log.Warn("leadership lost", "err", cause)
	default:
		r.log.Info("unit stops", "reason", cause)
	}
	return returned
}

// budget returns when the runner must have returned: the grace time after its context has ended, but no later than the drain
// time after a loss.
func (r *run) budget() time.Time {
	r.in.mu.Lock()
	defer r.in.mu.Unlock()
	if r.deadline.IsZero() {
		r.deadline = time.Now().Add(r.grace())
	}
	select {
	case <-r.term.Lost():
		if end := time.Now().Add(r.in.rt.config.Timing.Drain); end.Before(r.deadline) {
			r.deadline = end
		}
	default:
	}
	return r.deadline
}

func (r *run) grace() time.Duration { return cmp.Or(r.in.unit.options().grace, r.in.rt.config.Grace) }

// outlasts names a runner that has not returned within its budget. A loss after that changes nothing any more.
func (r *run) outlasts() {
	r.in.mu.Lock()
	r.stuck = true
	if r.tooLate != nil {
		r.tooLate(context.DeadlineExceeded)
	}
	if h := r.in.halt; h != nil {
		r.tell(h)
	}
	r.in.mu.Unlock()
	r.log.Error("runner is stuck: its budget is over, and it has not returned", "reason", context.Cause(r.ctx))
	if r.in.rt.config.OnStuck != nil {
		r.in.rt.config.OnStuck(r.in.status())
	}
}

// tell lets those go on who wait for the unit, if it is stuck. It needs mu.
func (r *run) tell(h *halt) {
	if r.stuck {
		close(h.stuck)
	}
}

// shutdownContext has the values of the runner's context, and ends with the budget, which a loss may shorten still.
func (r *run) shutdownContext() (context.Context, context.CancelFunc) {
	late, tooLate := context.WithCancelCause(context.WithoutCancel(r.ctx))
	r.in.mu.Lock()
	r.tooLate = tooLate
	r.in.mu.Unlock()
	return context.WithDeadline(late, r.budget())
}
