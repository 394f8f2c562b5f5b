package singleton

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/internal/names"
)

// A Unit is a named piece of work, made by [Worker], [Service] or [Replica].
type Unit struct {
	kind    kind
	name    string
	runner  Runner
	refined *refinements // nil for none, so that a plain unit is small
}

// refinements are what options have said.
type refinements struct {
	alias    string
	labels   map[string]string
	takeover time.Duration
	grace    time.Duration // 0: that of the runtime
	rest     rest
	err      error // of an option
}

var plain = refinements{rest: rest{first: time.Second, limit: time.Minute}}

type kind uint8

const (
	worker kind = iota + 1
	service
	replica
)

func (k kind) String() string {
	return [...]string{"unit", "worker", "service", "replica"}[k]
}

// Worker is a unit that runs in one process of the cluster. Its election is "worker/" and the name. A name is ASCII letters,
// digits, '.', '_' and '-', first and last a letter or digit, up to 200.
//
// What is wrong with a unit is reported by [Runtime.Run] or [Runtime.Install], before it starts.
func Worker(name string, r Runner, o ...Option) Unit { return newUnit(worker, name, r, o) }

// Service is a [Worker] that others call: it may have labels and endpoints, and is listed among the services of the cluster.
// Its election is "service/" and the name, which must not be "node".
func Service(name string, r Runner, o ...Option) Unit { return newUnit(service, name, r, o) }

// Replica is a unit that runs in every process, from the start of the runtime until all workers and services have stopped. It
// has no term. Others see it among the workers of the cluster.
func Replica(name string, r Runner, o ...Option) Unit { return newUnit(replica, name, r, o) }

func newUnit(k kind, name string, r Runner, options []Option) Unit {
	u := Unit{kind: k, name: name, runner: r}
	if len(options) == 0 {
		return u
	}
	refined := plain
	u.refined = &refined
	for _, o := range options {
		if o == nil {
			refuse(&u, errors.New("Option: nil"))
			continue
		}
		o(&u)
	}
	return u
}

func (u Unit) options() *refinements { return cmp.Or(u.refined, &plain) }

// String returns the unit's full name, as in "worker/data-sync". It is also the name of its election, if it has one.
func (u Unit) String() string { return u.kind.String() + "/" + u.name }

// An Option refines a unit.
type Option func(*Unit)

// WithAlias gives a worker or service another name, for people who look at the cluster.
func WithAlias(alias string) Option {
	return func(u *Unit) { u.refined.alias = alias }
}

// WithLabels gives a service labels, by which others can choose among several.
func WithLabels(labels map[string]string) Option {
	return func(u *Unit) {
		if u.refined.labels = maps.Clone(labels); u.kind != service {
			refuse(u, fmt.Errorf("Labels %v: only a service has labels", labels))
		}
	}
}

// WithTakeoverDelay makes a worker or service that has won wait for d before it starts, unless its predecessor was seen to
// stop in order. One that finds no predecessor waits too, since there may have been one. It is for effects that carry no fencing token: d is how long what a leader has sent can be under way when
// the leader is gone. All processes should use the same. The default is 0.
func WithTakeoverDelay(d time.Duration) Option {
	return func(u *Unit) {
		u.refined.takeover = d
		switch {
		case u.kind == replica:
			refuse(u, fmt.Errorf("TakeoverDelay %v: a replica takes over from nobody", d))
		case d < 0:
			refuse(u, fmt.Errorf("TakeoverDelay %v: must not be negative", d))
		}
	}
}

// WithGrace sets how long Run and Shutdown may take together after a planned end; the default is that of [Config]. Leadership is
// kept meanwhile, so it may be longer than the TTL. It does not count after a loss of leadership.
func WithGrace(d time.Duration) Option {
	return func(u *Unit) {
		if u.refined.grace = d; d <= 0 {
			refuse(u, fmt.Errorf("Grace %v: must be positive", d))
		}
	}
}

// WithBackoff sets how long the unit rests after its first failure, and at most; the defaults are 1 s and 1 min. The rest
// doubles with each failure, give or take a quarter, and halves for each limit that has passed without one.
func WithBackoff(first, limit time.Duration) Option {
	return func(u *Unit) {
		if u.refined.rest = (rest{first: first, limit: limit}); first <= 0 || limit < first {
			refuse(u, fmt.Errorf("Backoff %v, limit %v: must be positive, and the limit no less", first, limit))
		}
	}
}

func refuse(u *Unit, err error) { u.refined.err = errors.Join(u.refined.err, err) }

// check says what is wrong with the unit.
func (u Unit) check() error {
	if u.kind == 0 {
		return errors.New("unit: empty: make it by Worker, Service or Replica")
	}
	if err := names.Check(u.kind.String(), u.name); err != nil {
		return err
	}
	err := u.options().err
	f, isFunc := u.runner.(RunnerFunc)
	switch c, isChecker := u.runner.(Checker); {
	case u.runner == nil || isFunc && f == nil:
		err = errors.Join(err, errors.New("Runner: nil"))
	case isChecker:
		err = errors.Join(err, c.Check())
	}
	if err != nil {
		return fmt.Errorf("%s %q: %w", u.kind, u.name, err)
	}
	return u.registered().Check()
}

// registered is what others see of the unit.
func (u Unit) registered() discovery.Unit {
	r := discovery.Unit{Kind: discovery.Worker, Name: u.name, Alias: u.options().alias, Labels: u.options().labels}
	if u.kind == service {
		r.Kind = discovery.Service
	}
	return r
}
