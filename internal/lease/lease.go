package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/singleton-go/singleton/engine"
)

var (
	// ErrLost is the cause with which a hold ends when leadership was lost.
	ErrLost = errors.New("leadership lost")

	// ErrClosed says that the lease was closed by its own process.
	ErrClosed = errors.New("closed")

	// ErrDuplicate says that this process already has a claim on that place.
	ErrDuplicate = errors.New("already claimed by this process")
)

// Config says what a [Lease] works on. All fields but Suspended are required; Timing has its defaults filled in.
type Config struct {
	Engine engine.Engine
	Range  string // what the keys of all elections begin with, slash included
	Owner  string // the process, for people who look into the store
	Timing Timing
	Logger *slog.Logger

	// Suspended says how long the machine has been suspended so far; nil asks the kernel.
	Suspended func() time.Duration
}

// A Lease is one process's session kept alive, and its mirror of the election range.
//
// Everything is behind one mutex that is never held during I/O. Changes are announced by one goroutine, see [Subscription].
type Lease struct {
	cfg   Config
	log   *slog.Logger
	clock clock

	ctx    context.Context // of the goroutines and their calls; ends when Close is through
	cancel context.CancelFunc
	wg     sync.WaitGroup
	wake   chan struct{} // of the goroutine that keeps sessions: somebody wants one
	notify chan struct{} // of the goroutine that announces

	mu      sync.Mutex
	gen     *generation // nil while there is no live session
	parked  error       // why no session is opened any more
	closing bool        // no claims and no holds are added
	closed  bool        // no calls are made
	running int         // holds that have not ended
	queues  map[string]*queue
	loaded  bool   // the mirror has held a whole state
	marked  moment // the mirror was complete at this moment
	read    moment // the last reading before the next mark
	claims  map[place]*Claim
	emptied chan struct{} // closed when closing and the last held claim has gone
	stop    *time.Timer   // the stop line
	lanes   [laneCount]lane
	all     []*Subscription
	flagged []*Subscription
}

// Start begins to mirror the store. A session is opened when the first claim is made.
func Start(cfg Config) (*Lease, error) {
	if err := cfg.Timing.Check(); err != nil {
		return nil, err
	}
	if cfg.Suspended == nil {
		cfg.Suspended = suspended
	}
	l := &Lease{
		cfg: cfg, log: cfg.Logger, clock: clock{suspended: cfg.Suspended},
		wake: make(chan struct{}, 1), notify: make(chan struct{}, 1),
		queues: map[string]*queue{}, claims: map[place]*Claim{}, emptied: make(chan struct{}),
	}
	l.lanes = newLanes()
	l.read = l.clock.now()
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.wg.Go(l.keepMirror)
	l.wg.Go(l.keepSession)
	l.wg.Go(l.announce)
	return l, nil
}

// Close ends all holds with cause [ErrClosed], waits until their owners have left them, and then ends the session. When
// ctx ends first, the session is not ended: it expires by itself, since work under it may still be running. Closing again
// waits for the first time to be through.
func (l *Lease) Close(ctx context.Context) error {
	l.mu.Lock()
	first := !l.closing
	if l.closing = true; first {
		l.endHolds(ErrClosed)
		l.checkEmpty()
	}
	l.mu.Unlock()
	if !first {
		select {
		case <-l.ctx.Done():
		case <-ctx.Done():
		}
		return nil
	}
	defer l.end()
	select {
	case <-l.emptied:
		return l.endSession(ctx)
	case <-ctx.Done():
		return fmt.Errorf("close: %s is still held: %w", l.heldName(), context.Cause(ctx))
	}
}

// end stops the goroutines and waits for them.
func (l *Lease) end() {
	l.mu.Lock()
	l.closed = true
	l.stopTimer()
	l.cancel()
	for _, c := range l.claims {
		l.settle(c)
	}
	l.mu.Unlock()
	l.wg.Wait()
}

func (l *Lease) endSession(ctx context.Context) error {
	l.mu.Lock()
	gen := l.gen
	l.gen = nil
	l.mu.Unlock()
	if gen == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, l.cfg.Timing.CallTimeout)
	defer cancel()
	if err := gen.session.Close(ctx); err != nil {
		return fmt.Errorf("close session %s: it will expire by itself: %w", gen.session.ID(), err)
	}
	return nil
}

// checkEmpty tells a waiting Close that no hold is left. It needs mu.
func (l *Lease) checkEmpty() {
	if !l.closing {
		return
	}
	for _, c := range l.claims {
		if c.held() {
			return
		}
	}
	select {
	case <-l.emptied:
	default:
		close(l.emptied)
	}
}

func (l *Lease) heldName() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.claims {
		if c.held() {
			return c.place.election
		}
	}
	return "nothing"
}

// Timing returns the durations in force.
func (l *Lease) Timing() Timing { return l.cfg.Timing }

// Logger returns the logger.
func (l *Lease) Logger() *slog.Logger { return l.log }

// Owner returns the name of the process.
func (l *Lease) Owner() string { return l.cfg.Owner }
