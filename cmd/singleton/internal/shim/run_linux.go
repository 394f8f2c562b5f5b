package shim

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// A Command is what is to be run, and under which conditions. All fields are required.
type Command struct {
	Path string
	Args []string // the zeroth included
	Env  []string // in addition to this process's own

	Grace time.Duration // from TERM to KILL, after a planned end
	Drain time.Duration // within which nothing is left, after a loss

	// Trust says for how long from now on leadership is sure, without any word of the store. The shim relies on it while
	// this process is stopped. Heartbeat is how often it is asked.
	Trust     func() time.Duration
	Heartbeat time.Duration

	// Lost is closed when leadership is lost.
	Lost <-chan struct{}
}

// An Outcome is how a command ended.
type Outcome struct {
	Status  syscall.WaitStatus // of the command itself
	Started bool               // there is a status

	// ByItself says that the command had ended before anybody told it to. Leftovers of it may have been ended later.
	ByItself bool

	Refused   error // why it could not be started: a [syscall.Errno]
	Untrusted bool  // it was ended, or not started, since this process had not prolonged the trust in its session in time
	Orphaned  bool  // the shim was killed, and the command with it
}

// run is a command from start to end, as the owner sees it.
type run struct {
	Command

	Work    int
	outcome Outcome
	foreign bool // the shim can't kill some of it, and says so
	over    bool
	gone    chan struct{} // closed when nothing is left
}

// heard notes a report. It needs the owner's mu. A shim that dies after its last word is heard twice.
func (r *run) heard(rep report, orphaned bool) {
	switch {
	case r.over:
	case rep.Refused != 0:
		r.outcome.Refused = rep.Refused
	case rep.Ended != nil:
		r.outcome.Status, r.outcome.Started, r.outcome.ByItself = *rep.Ended, true, rep.ByItself
	case rep.Foreign != 0:
		r.foreign = true
	case rep.Gone:
		r.outcome.Untrusted, r.outcome.Orphaned, r.over = rep.Untrusted, orphaned, true
		close(r.gone)
	}
}

// ErrNoShim says that the shim has died, and is not replaced yet.
var ErrNoShim = errors.New("there is no shim at the moment")

// shimLimit is how long the shim may take to kill, after a planned end, before it is taken for stopped.
const shimLimit = time.Second

// Run runs a command, one at a time, and returns when nothing of it is left. When ctx ends it is told to stop, and killed after
// the grace time, or after a loss within the drain time.
func (o *Owner) Run(ctx context.Context, c Command) (Outcome, error) {
	r, err := o.launch(c)
	if err != nil {
		return Outcome{}, err
	}
	defer o.finish()
	beat := time.NewTicker(c.Heartbeat)
	defer beat.Stop()
	var patience <-chan time.Time
	told, lost := ctx.Done(), c.Lost
	for {
		select {
		case <-r.gone:
			return r.outcome, nil
		case <-beat.C:
			o.prolong(r)
			o.buryStrangers()
		case <-told:
			told = nil
			o.stop(r, c.Grace)
			if lost != nil {
				patience = time.After(c.Grace + shimLimit)
			}
		case <-lost:
			lost = nil
			o.stop(r, killTime(c.Drain))
			patience = time.After(c.Drain * 7 / 8)
		case <-patience: // the shim does not do what it was told: it may be stopped
			o.kill(r)
		}
	}
}

// launch tells the shim to start a command.
func (o *Owner) launch(c Command) (*run, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.helper == nil || o.stopped {
		return nil, ErrNoShim
	}
	if o.run != nil {
		return nil, fmt.Errorf("a command runs already")
	}
	at := now() // read first: what follows only makes the stop line come too early
	o.jobs++
	o.run = &run{Command: c, Work: o.jobs, gone: make(chan struct{})}
	o.tell(order{Start: pack(job{
		Work: o.jobs, Path: c.Path, Args: c.Args, Env: c.Env, Grace: c.Grace, Drain: c.Drain,
		Trust: at + instant(c.Trust()),
	})})
	return o.run, nil
}

func (o *Owner) finish() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.run = nil
}

// prolong tells the shim until when leadership is sure.
func (o *Owner) prolong(r *run) {
	at := now()
	trust := r.Trust()
	if trust <= 0 {
		return
	}
	o.order(order{Work: r.Work, Trust: at + instant(trust)})
}

func (o *Owner) stop(r *run, after time.Duration) {
	o.order(order{Work: r.Work, KillAt: in(after)})
}

func (o *Owner) order(message order) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tell(message)
}

// Signal passes a signal on to the command itself. It says whether there is one.
func (o *Owner) Signal(sig syscall.Signal) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.run == nil {
		return false
	}
	o.tell(order{Work: o.run.Work, Signal: sig})
	return true
}

// kill kills the shim: what it leaves behind is ended by this process, which can do no more than the shim if that says why it
// can't.
func (o *Owner) kill(r *run) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.helper != nil && !r.foreign {
		o.log.Warn("shim does not answer: it is killed")
		o.helper.Kill()
	}
}
