package singleton

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/singleton-go/singleton/election"
)

// A stage is a part of a unit's life. It returns the next, or nil when the goroutine is no longer needed.
type stage func(*instance) stage

// live takes the unit from stage to stage.
func (in *instance) live(at stage) {
	defer func() {
		if at != nil { // the runner has taken the goroutine with it, by runtime.Goexit
			in.goes(in.run.next)
		}
	}()
	for at != nil {
		at = at(in)
	}
}

var errExited = errors.New("runner ended its goroutine")

// call calls a part of the runner. The next stage finds its outcome in the run's result.
func (in *instance) call(part func() error, next stage) stage {
	in.run.next, in.run.result = next, errExited
	in.run.result = recovered(part)
	return next
}

// recovered is where the panics of runners end.
func recovered(part func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicked{value: v, stack: string(debug.Stack())}
		}
	}()
	return part()
}

type panicked struct {
	value any
	stack string
}

func (p *panicked) Error() string { return fmt.Sprintf("panic: %v", p.value) }

func (p *panicked) Unwrap() error {
	err, _ := p.value.(error)
	return err
}

func stackOf(err error) string {
	if p := (*panicked)(nil); errors.As(err, &p) {
		return p.stack
	}
	return ""
}

// pending enters the queue; a replica has none.
func (in *instance) pending() stage {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.halt != nil {
		return (*instance).stopped
	}
	in.set(Pending)
	if in.unit.kind == replica {
		return func(in *instance) stage { return in.beginning(Term{}) }
	}
	e := in.rt.d.Election(in.name, election.WithID(in.reg.ID()), election.WithTakeoverDelay(in.unit.options().takeover))
	c, err := e.Enter(in.rt.ctx, in.elected)
	if err != nil { // the program stands in this election by itself, or has closed the discovery
		in.fail(err)
		in.set(Error)
		return (*instance).barred
	}
	in.candidate, in.queued = c, true
	return nil
}

// barred can't enter the queue.
func (in *instance) barred() stage {
	in.rt.log.Error("unit can't campaign", "unit", in.name, "err", in.trouble.err)
	return (*instance).resting
}

// beginning has won.
func (in *instance) beginning(t election.Term) stage {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.halt != nil {
		return (*instance).leaving
	}
	in.begin(t)
	return (*instance).starting
}

// starting prepares the runner.
func (in *instance) starting() stage {
	s, ok := in.unit.runner.(Starter)
	if !ok {
		return (*instance).started
	}
	in.mu.Lock()
	if in.run.ctx.Err() == nil {
		in.set(Pending) // as before, but with a token
	}
	in.mu.Unlock()
	return in.call(func() error { return s.Startup(in.run.ctx) }, (*instance).started)
}

// started has prepared the runner, or failed to.
func (in *instance) started() stage {
	r := in.run
	r.started = r.result == nil
	if r.started && r.ctx.Err() == nil {
		return (*instance).ready
	}
	return in.over()
}

// ready works.
func (in *instance) ready() stage {
	r := in.run
	in.mu.Lock()
	if r.ctx.Err() == nil {
		in.set(Ready)
		r.ready = true
		r.publishKept()
	}
	in.mu.Unlock()
	if r.log.Enabled(r.ctx, slog.LevelInfo) { // where it isn't, the stack of a runner that only waits stays small
		r.log.Info("unit ready")
	}
	return in.call(func() error { return in.unit.runner.Run(r.ctx) }, (*instance).over)
}

// over judges why the runner has returned, and ends its context if that hasn't ended.
func (in *instance) over() stage {
	r, err := in.run, in.run.result
	r.reason = context.Cause(r.ctx)
	switch broke := errors.Is(err, errExited) || stackOf(err) != ""; {
	case broke || err != nil && r.reason == nil:
		r.reason = err
		in.breaks(err)
	case r.reason == nil:
		in.finishes()
	case err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, r.reason):
		r.log.Warn("runner returned an error when told to stop", "reason", r.reason, "err", err)
	}
	r.end(r.reason)
	return (*instance).stopping
}

// breaks notes that the runner failed or panicked.
func (in *instance) breaks(err error) {
	in.run.logWith(err).Error("runner failed", "err", err)
	in.mu.Lock()
	defer in.mu.Unlock()
	in.run.broke = true
	in.fail(err)
	in.set(Error)
}

// finishes notes that the runner has nothing more to do.
func (in *instance) finishes() {
	in.run.log.Info("runner has finished")
	in.mu.Lock()
	defer in.mu.Unlock()
	in.run.finished = true
}

// stopping lets the runner clear up.
func (in *instance) stopping() stage {
	r := in.run
	s, ok := in.unit.runner.(Stopper)
	if !ok || !r.started {
		r.result = nil
		return (*instance).releasing
	}
	ctx, cancel := r.shutdownContext()
	return in.call(func() error {
		defer cancel()
		return s.Shutdown(ctx, r.reason)
	}, (*instance).releasing)
}

// releasing resigns, now that the runner has returned.
func (in *instance) releasing() stage {
	r := in.run
	r.finish()
	if err := r.result; err != nil {
		r.logWith(err).Error("shutdown failed", "err", err)
	}
	r.awaitWithdrawn()
	in.leave()
	in.mu.Lock()
	defer in.mu.Unlock()
	switch err := r.result; {
	case err != nil && r.broke:
		in.trouble.err = errors.Join(in.trouble.err, err)
	case err != nil:
		in.fail(err)
	}
	in.run = nil
	switch {
	case in.halt != nil || r.finished:
		return (*instance).stopped
	case r.broke:
		in.set(Error) // as before, but without a token
		return (*instance).resting
	}
	return (*instance).pending
}

// resting has failed, and holds back for a while.
func (in *instance) resting() stage {
	rest := time.NewTimer(in.trouble.backoff.next(in.unit.options().rest))
	defer rest.Stop()
	select {
	case <-rest.C:
	case <-in.trouble.quit:
	}
	return (*instance).pending
}

// leaving gives up the place in the queue.
func (in *instance) leaving() stage {
	in.leave()
	return (*instance).stopped
}

// leave resigns, or leaves the queue.
func (in *instance) leave() {
	if in.candidate == nil {
		return
	}
	if err := in.candidate.Leave(in.rt.ctx); err != nil {
		in.rt.log.Warn("place not given up yet", "unit", in.name, "err", err)
	}
}

// stopped has ended. It comes again when a unit that has finished is uninstalled.
func (in *instance) stopped() stage {
	in.mu.Lock()
	in.ended = true
	in.set(Stopped)
	h := in.halt
	remove := h != nil && h.remove
	in.mu.Unlock()
	if h == nil {
		return nil
	}
	in.reg.Close()
	if remove {
		in.rt.remove(in)
	}
	in.rt.log.Info("unit stopped", "unit", in.name, "reason", h.reason)
	close(h.done)
	return nil
}
