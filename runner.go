package singleton

import (
	"context"
	"log/slog"

	"github.com/singleton-go/singleton/election"
)

// A Runner is the work of a unit. It may also be a [Starter], a [Stopper] and a [Checker].
type Runner interface {
	// Run works until ctx ends, and then returns soon. The cause of ctx says why it ended: [ErrStopped], [ErrLost], or
	// [election.ErrAsked]; what Run returns after that is logged and has no other consequence. Before that, an error is a
	// failure, after which the unit rests for a while and then queues again, and nil means that the work is finished in this
	// process.
	//
	// A panic is a failure too; it is recovered and reported with its stack.
	Run(ctx context.Context) error
}

// A RunnerFunc is a function as a [Runner].
type RunnerFunc func(ctx context.Context) error

// Run calls f.
func (f RunnerFunc) Run(ctx context.Context) error { return f(ctx) }

// A Starter is a runner that prepares itself once it has won.
type Starter interface {
	// Startup is called before Run, with the same context, once the unit leads. The unit is Pending until it has returned.
	// After an error or a panic the unit has failed, and neither Run nor Shutdown is called. When ctx ends before it has
	// returned nil, Shutdown is called at once, without Run.
	Startup(ctx context.Context) error
}

// A Stopper is a runner that clears up behind itself.
type Stopper interface {
	// Shutdown is called exactly once for each Startup that returned nil (a runner without Startup counts as such), when Run
	// has returned or panicked, and before leadership is released. The reason is the cause with which the context of Run
	// ended, the error or panic with which Run failed, or nil where Run returned nil by itself.
	//
	// Run and Shutdown share one budget, from the end of Run's context on: the grace time, or after a loss of leadership the
	// drain time. With it ctx ends. An error is logged and shown in the status.
	Shutdown(ctx context.Context, reason error) error
}

// A Checker is a runner that can tell in advance that it can't work. The runtime asks before anything starts, and refuses the
// unit with the error, which should name a setting and its value.
type Checker interface {
	Check() error
}

// A Term is a unit's time as leader; its token is what fences check.
type Term = election.Term

// ErrLost is the cause with which a runner's context ends when leadership was lost.
var ErrLost = election.ErrLost

// TermFrom returns the term that a runner works under. A replica has none.
func TermFrom(ctx context.Context) (Term, bool) { return election.TermFrom(ctx) }

type runKey struct{}

// LoggerFrom returns the logger of the unit that a runner's context belongs to: that of [Config] with the name of the unit and
// the token. It is never nil: outside of a unit it logs nothing.
func LoggerFrom(ctx context.Context) *slog.Logger {
	if r, ok := ctx.Value(runKey{}).(*run); ok {
		return r.log
	}
	return slog.New(slog.DiscardHandler)
}
