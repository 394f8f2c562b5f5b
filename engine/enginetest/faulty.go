package enginetest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/singleton-go/singleton/engine"
)

var (
	// errReset ends a watch of the engine beneath, to open it again in its place.
	errReset = errors.New("watch is to begin anew")

	// errClosed is what calls of a closed connection get.
	errClosed = errors.New("faulty connection was closed")
)

// An Op is a kind of call, or the delivery of an update.
type Op string

// The calls of an engine and its sessions, and OpUpdate for each update (or error) that a watch delivers.
const (
	OpOpen    Op = "open"
	OpRenew   Op = "renew"
	OpCreate  Op = "create"
	OpReplace Op = "replace"
	OpDelete  Op = "delete"
	OpClose   Op = "close"
	OpEnd     Op = "end"
	OpWatch   Op = "watch"
	OpUpdate  Op = "update"
)

// A Call is what a [Fate] is decided for.
type Call struct {
	Op  Op
	Key string // of the record; else the session's ID, its owner (OpOpen), or the prefix of the watch
	N   int    // counts the calls of this Op on this connection, from 1
}

// A Fate is what befalls a call. The zero Fate lets it pass.
type Fate struct {
	// Refuse fails the call with this error; the store never hears of it. For OpUpdate it breaks the watch.
	Refuse error

	// Dropped loses the request: the store never hears of it, and the caller waits until its context ends.
	Dropped bool

	// Request is how long the request travels. It can't be called back: it arrives even if the caller's context ends on the way.
	Request time.Duration

	// Reply is how long the answer travels, or the update of an OpUpdate.
	Reply time.Duration

	// Lost loses the answer of a request that was carried out: the caller waits until its context ends.
	Lost bool

	// Fail replaces the answer of a request that was carried out by this error.
	Fail error
}

// A Faulty is one process's connection to a store, and everything that can go wrong with it. It chooses nothing by itself: its
// user sets states ([Faulty.Cut], [Faulty.Mute], [Faulty.Stall], [Faulty.Hold], [Faulty.Refuse]), which overlap freely and end
// by the function that they return, and decides about single calls by [Faulty.Decide]. It is safe for concurrent use, needs no
// particular engine beneath, and works in a synctest bubble if it was made there.
type Faulty struct {
	inner   engine.Engine
	over    context.Context // ends with Close; late requests run under it, since nobody waits for them
	quit    context.CancelCauseFunc
	flights sync.WaitGroup // requests that travel on their own

	mu       sync.Mutex
	state    state
	changed  chan struct{} // closed and renewed at every change of state
	decide   func(Call) Fate
	counts   map[Op]int
	watches  map[int]context.CancelCauseFunc
	watchIDs int
}

// state is what holds now; several of a kind may overlap.
type state struct {
	cut, mute, stall, hold int
	refusals               []*error
}

// NewFaulty returns a sound connection to e. Close it at the end.
func NewFaulty(e engine.Engine) *Faulty {
	f := &Faulty{
		inner:   e,
		changed: make(chan struct{}),
		counts:  map[Op]int{},
		watches: map[int]context.CancelCauseFunc{},
	}
	f.over, f.quit = context.WithCancelCause(context.Background())
	return f
}

// Cut stops everything, both ways. A call waits until it is healed and then goes through, or until its context ends and then
// never arrives; a request that was already on its way ([Fate.Request]) arrives after the healing even if nobody waits for it.
// Watches fall silent, and go on after the healing as if nothing had been.
func (f *Faulty) Cut() (heal func()) {
	return f.enter(func(s *state, by int) { s.cut += by })
}

// Mute lets requests through and holds back what comes from the store: answers, which are lost once the caller's context ends,
// and updates.
func (f *Faulty) Mute() (heal func()) {
	return f.enter(func(s *state, by int) { s.mute += by })
}

// Stall holds back the updates of watches alone.
func (f *Faulty) Stall() (heal func()) {
	return f.enter(func(s *state, by int) { s.stall += by })
}

// Hold keeps requests back that all arrive after the healing, also those whose callers have given up meanwhile. Together with
// Stall it is what the store sees of a process that is paused in the middle of sending.
func (f *Faulty) Hold() (heal func()) {
	return f.enter(func(s *state, by int) { s.hold += by })
}

// Refuse fails every call with err; the store never hears of them. Watches that are already open go on.
func (f *Faulty) Refuse(err error) (heal func()) {
	refusal := &err
	return f.enter(func(s *state, by int) {
		if by > 0 {
			s.refusals = append(s.refusals, refusal)
			return
		}
		for i, r := range s.refusals {
			if r == refusal {
				s.refusals = append(s.refusals[:i:i], s.refusals[i+1:]...)
				return
			}
		}
	})
}

// Decide has each call's fate decided by fn, beside the states; nil decides that all pass. Calls that run at the same time ask
// fn at the same time; it may use the other methods of f.
func (f *Faulty) Decide(fn func(Call) Fate) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.decide = fn
}

// BreakWatches ends every open watch with err.
func (f *Faulty) BreakWatches(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, cancel := range f.watches {
		cancel(err)
	}
}

// ResetWatches has every open watch begin anew with a reset, as after a reconnection that lost the place.
func (f *Faulty) ResetWatches() {
	f.BreakWatches(errReset)
}

// Close ends the connection: what is under way is lost, calls and watches fail, and no goroutine of f is left. The sessions in
// the store are not touched, as in a process that is killed.
func (f *Faulty) Close() {
	f.stopLaunches()
	f.BreakWatches(errClosed)
	f.flights.Wait()
}

// stopLaunches ends what is under way. Under the lock, so that every request that launch let pass has been counted.
func (f *Faulty) stopLaunches() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.quit(errClosed)
}

// enter applies a change of state, and returns what takes it back once.
func (f *Faulty) enter(change func(s *state, by int)) (heal func()) {
	apply := func(by int) {
		f.mu.Lock()
		defer f.mu.Unlock()
		change(&f.state, by)
		close(f.changed)
		f.changed = make(chan struct{})
	}
	apply(+1)
	var once sync.Once
	return func() { once.Do(func() { apply(-1) }) }
}

// fate counts the call and decides about it.
func (f *Faulty) fate(op Op, key string) Fate {
	f.mu.Lock()
	f.counts[op]++
	call := Call{Op: op, Key: key, N: f.counts[op]}
	decide, refusals := f.decide, f.state.refusals
	f.mu.Unlock()
	if len(refusals) > 0 && op != OpUpdate {
		return Fate{Refuse: *refusals[len(refusals)-1]}
	}
	if decide == nil {
		return Fate{}
	}
	return decide(call)
}

// until waits for the state to become one that passes.
func (f *Faulty) until(ctx context.Context, passes func(state) bool) error {
	for {
		f.mu.Lock()
		now, changed := f.state, f.changed
		f.mu.Unlock()
		if passes(now) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-f.over.Done():
			return errClosed
		}
	}
}

// travel lets the time pass that a message takes.
func (f *Faulty) travel(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	arrival := time.NewTimer(d)
	defer arrival.Stop()
	select {
	case <-arrival.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-f.over.Done():
		return errClosed
	}
}

// silence waits for an answer that never comes.
func (f *Faulty) silence(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-f.over.Done():
		return errClosed
	}
}

// launch runs a request on its own, until Close at the latest.
func (f *Faulty) launch(request func()) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over.Err() != nil {
		return errClosed
	}
	f.flights.Go(request)
	return nil
}
