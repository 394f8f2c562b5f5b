package singleton

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/guard"
	"github.com/singleton-go/singleton/internal/lease"
	"github.com/singleton-go/singleton/internal/names"
)

// ErrStopped is the cause with which a runner's context ends when its unit is told to stop; it wraps why. It is also the error
// of what comes too late for a runtime that stops or has stopped.
var ErrStopped = errors.New("stopped")

// Config says who this process is in which cluster. Only Prefix is required.
type Config struct {
	// Prefix names the cluster: all processes with the same prefix on the same store belong together. See [discovery.Config].
	Prefix string

	// Node is the name of this process for people; the default is the host's name. Several processes may have the same.
	Node string

	// Version is the version of the program, for people. It may be empty.
	Version string

	// Grace is how long a unit may take to stop after a planned end, Run and Shutdown together; default 30 s. Leadership is
	// kept meanwhile. After a loss it is Timing.Drain that counts.
	Grace time.Duration

	// Timing holds the durations that leadership rests on. The zero Timing is the default.
	Timing discovery.Timing

	// Guard says that a process of its own ends this one's session as soon as this one is gone, so that a crash costs
	// milliseconds rather than the TTL. [guard.Main] must come first in main, and the engine must be an [engine.Ender].
	Guard bool

	// Spread has units handed over until all processes with Spread lead the same number of workers and services, give or take one;
	// without it the process that starts first leads everything. All processes of a cluster should agree on it, and install
	// the same units. See docs/spread.md.
	Spread bool

	// Weight is this process's share beside the others', where units are spread; default 1.
	Weight int

	// Priority has units spread among the processes of the highest priority that there is, and handed over to these by all others.
	// It needs Spread.
	Priority int

	// NeverLead keeps the workers and services of this process out of the queue: they are registered, and stay in [Init]. Replicas
	// run. It is for observers and canaries.
	NeverLead bool

	// OnStuck is called when a runner was told to stop and has outlasted its budget. With nil it is waited for, and so is its
	// leadership; a function that ends the process gives leadership to another one at once or after the TTL. It must not block.
	OnStuck func(Status)

	// Logger gets what a person may want to know. With nil nothing is logged.
	Logger *slog.Logger
}

// A Runtime runs the units of this process. It is made by [New] and safe for concurrent use.
type Runtime struct {
	engine engine.Engine
	config Config
	log    *slog.Logger
	began  time.Time
	live   sync.WaitGroup // the goroutines of all units

	mu    sync.Mutex
	phase phase
	units map[string]*instance
	guard *guard.Guard // nil where there is to be none
	d     *discovery.Discovery
	ctx   context.Context //nolint:containedctx // what all contexts of runners descend from

	stopSpreading func() // nil where units are not spread; set before Run waits
}

type phase int

const (
	fresh phase = iota
	running
	closing
)

// New returns a runtime on this engine, which the caller keeps owning. It checks the config and starts nothing. An error names
// the field and its value.
func New(eng engine.Engine, c Config) (*Runtime, error) {
	if c.Grace == 0 {
		c.Grace = 30 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Spread && c.Weight == 0 {
		c.Weight = 1
	}
	c.Timing = discovery.Timing(lease.Timing(c.Timing).WithDefaults())
	if err := errors.Join(c.checkEngine(eng), c.check()); err != nil {
		return nil, fmt.Errorf("singleton: %w", err)
	}
	return &Runtime{engine: eng, config: c, log: c.Logger, began: time.Now(), units: map[string]*instance{}}, nil
}

func (c Config) checkEngine(eng engine.Engine) error {
	if eng == nil {
		return errors.New("engine: nil")
	}
	if c.Guard {
		return guard.Check(eng)
	}
	return nil
}

func (c Config) check() error {
	var grace error
	if c.Grace < 0 {
		grace = fmt.Errorf("Grace %v: must be positive", c.Grace)
	}
	return errors.Join(names.CheckPrefix(c.Prefix), grace, c.checkShare(), lease.Timing(c.Timing).Check())
}

// Run runs these units, and those that [Runtime.Install] adds, until ctx ends, and then stops all in order: first the workers and
// services, at the same time; then the replicas; then this process leaves the cluster. It returns when all runners have
// returned. A runner that is stuck is waited for, while everything else goes on to stop.
//
// All units are checked before anything starts: a bad name or option, or the same name twice among units of one kind, is
// refused with an error that names it. An orderly stop is no error; one that could not tell the store is, and then the
// session expires by itself. The failure of a unit never ends Run, nor another unit.
//
// A runtime runs once. Runners see the values of ctx, and its end as [ErrStopped]. Where ctx has ended already, Run checks the
// units and starts nothing.
func (rt *Runtime) Run(ctx context.Context, units ...Unit) error {
	err := rt.open(ctx, units)
	if err == nil {
		<-ctx.Done()
		err = rt.shutdown(ctx)
	}
	if err != nil {
		return fmt.Errorf("singleton: %w", err)
	}
	return nil
}

// open starts all units, or nothing.
func (rt *Runtime) open(ctx context.Context, units []Unit) error {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if rt.phase != fresh {
		return errors.New("a runtime runs once")
	}
	all, err := rt.join(units)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		rt.phase = closing
		clear(rt.units)
		return nil
	}
	if err := rt.enter(ctx); err != nil {
		return err
	}
	rt.ctx = context.WithoutCancel(ctx)
	if err := rt.register(all); err != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rt.config.Timing.CallTimeout)
		defer cancel()
		return errors.Join(err, rt.leave(ctx))
	}
	rt.phase, rt.units = running, all
	for _, in := range all {
		in.begins()
	}
	return nil
}

// register makes these units, and this process's share of all units, known to the cluster.
func (rt *Runtime) register(all map[string]*instance) error {
	for _, in := range all {
		if err := in.register(rt.d); err != nil {
			return err
		}
	}
	return rt.startSpreading()
}

// shutdown stops everything in order, since ctx has ended.
func (rt *Runtime) shutdown(ctx context.Context) error {
	reason := fmt.Errorf("%w: %w", ErrStopped, context.Cause(ctx))
	rt.mu.Lock()
	rt.phase = closing
	rt.mu.Unlock()
	if rt.Discovery() == nil {
		return nil // nothing was started
	}
	rt.log.Info("runtime stops", "reason", reason)
	if rt.stopSpreading != nil {
		rt.stopSpreading()
	}
	for _, group := range rt.groups() {
		stopAll(group, reason)
	}
	rt.live.Wait()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rt.config.Grace)
	defer cancel()
	return rt.leave(ctx)
}

// groups returns the units in the order in which they stop: all of one group at the same time.
func (rt *Runtime) groups() (g [2][]*instance) {
	for _, in := range rt.snapshot() {
		if in.unit.kind == replica {
			g[1] = append(g[1], in)
		} else {
			g[0] = append(g[0], in)
		}
	}
	return g
}

// stopAll stops some units, and returns when each has stopped or is stuck.
func stopAll(group []*instance, reason error) {
	halts := make([]*halt, 0, len(group))
	for _, in := range group {
		halts = append(halts, in.stop(reason, false))
	}
	for _, h := range halts {
		select {
		case <-h.done:
		case <-h.stuck:
		}
	}
}

func (rt *Runtime) snapshot() []*instance {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	return slices.Collect(maps.Values(rt.units))
}

// Discovery returns this process's view of the cluster. It is nil before [Runtime.Run] has opened it, so never for a runner; after
// Run it is closed.
func (rt *Runtime) Discovery() *discovery.Discovery {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	return rt.d
}
