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
	began time.Time

	ctx    context.Context // of the goroutines and their calls; ends when Close is through
	cancel context.CancelFunc
	wg     sync.WaitGroup
	wake   chan struct{} // of the goroutine that keeps sessions: somebody wants one
	notify chan struct{} // of the goroutine that announces
	given  chan struct{} // closed with parked

	mu      sync.Mutex
	gen     *generation // nil while there is no live session
	parked  error       // why no session is opened any more
	tried   time.Time   // when a session was last asked for, or asked after
	closing bool        // no claims and no holds are added
	closed  bool        // no calls are made
	claims  claims
	bonds   bonds
	lanes   [laneCount]lane
	emptied chan struct{} // closed when closing and the last held claim has gone

	running int         // holds that have not ended
	stop    *time.Timer // the stop line, while there are any

	queues   map[string]*queue // the mirror, by the names of the elections
	shares   shares
	loaded   bool          // it has held a whole state
	marked   moment        // it was complete at this moment
	before   moment        // the last reading of the clocks before that
	next     moment        // the reading that a mark from then on may count from
	progress chan struct{} // closed by the next mark; nil while nobody waits for it

	all     []*Subscription
	flagged []*Subscription
	awake   []*Claim // whose owners are to be called, as those of subscriptions

	announcing bool // they are being called
}

// Start begins to mirror the store. A session is opened when the first claim is made.
func Start(cfg Config) (*Lease, error) {
	if err := cfg.Timing.Check(); err != nil {
		return nil, err
	}
	if cfg.Suspended == nil {
		cfg.Suspended = suspended
	}
	queues := map[string]*queue{}
	l := &Lease{
		cfg: cfg, log: cfg.Logger, clock: clock{suspended: cfg.Suspended},
		wake: make(chan struct{}, 1), notify: make(chan struct{}, 1), given: make(chan struct{}),
		queues: queues, shares: newShares(), claims: newClaims(queues), bonds: newBonds(), began: time.Now(),
		emptied: make(chan struct{}),
	}
	l.lanes = newLanes()
	l.next = l.clock.now()
	l.tried = l.next.at
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.wg.Go(l.keepMirror)
	l.wg.Go(l.keepSession)
	l.wg.Go(l.announce)
	return l, nil
}

// Close ends all holds with cause [ErrClosed], and the candidacies that wait; it waits until the owners of the holds have left
// them, and then ends the session, which takes one call, whether or not ctx has ended. When ctx ends before the owners have
// left, the session is not ended: it expires by itself, since work under it may still be running. Closing again waits for the
// first time to be through.
func (l *Lease) Close(ctx context.Context) error {
	if !l.beginClose() {
		return l.awaitClose(ctx)
	}
	defer l.end()
	select {
	case <-l.emptied:
	case <-ctx.Done():
		if name := l.heldName(); name != "" {
			return fmt.Errorf("close: election %s is still held: %w", name, context.Cause(ctx))
		}
	}
	return l.endSession(ctx)
}

// awaitClose waits for the first Close to be through.
func (l *Lease) awaitClose(ctx context.Context) error {
	select {
	case <-l.ctx.Done():
	case <-ctx.Done():
	}
	if l.ctx.Err() == nil {
		return fmt.Errorf("close: not through yet: %w", context.Cause(ctx))
	}
	l.wg.Wait()
	return nil
}

// beginClose ends what needs no waiting for. It says whether this is the first time.
func (l *Lease) beginClose() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		return false
	}
	l.closing = true
	l.endHolds(ErrClosed)
	for c := range l.claims.all() {
		l.dismiss(l.bonds.heir[c])
		if !c.held() {
			l.dismiss(c)
		}
	}
	l.checkEmpty()
	return true
}

// dismiss ends a candidacy that waits: at the head of its queue it would keep others waiting, for as long as Close does. It
// needs mu.
func (l *Lease) dismiss(c *Claim) {
	if c != nil && c.kind == candidate {
		c.fail(ErrClosed)
		l.settle(c)
	}
}

// end stops the goroutines and waits for them.
func (l *Lease) end() {
	l.mu.Lock()
	l.closed = true
	l.cancel()
	for c := range l.claims.all() {
		l.settle(c)
	}
	l.mu.Unlock()
	l.wg.Wait()
}

// endSession ends the session, so that others can lead at once.
func (l *Lease) endSession(ctx context.Context) error {
	l.mu.Lock()
	gen := l.gen
	l.gen, l.closed = nil, true // both at once, so that no other session is adopted
	l.mu.Unlock()
	if gen == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.cfg.Timing.CallTimeout)
	defer cancel()
	if err := gen.session.Close(ctx); err != nil {
		return fmt.Errorf("close session %s: it will expire by itself: %w", gen.id, err)
	}
	return nil
}

// checkEmpty tells a waiting Close that no hold is left. It needs mu.
func (l *Lease) checkEmpty() {
	if !l.closing {
		return
	}
	for c := range l.claims.all() {
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

// heldName returns the name of an election that is still held, if there is one.
func (l *Lease) heldName() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.claims.all() {
		if c.held() {
			return c.of
		}
	}
	return ""
}

// age is the time since the lease was begun.
func (l *Lease) age() time.Duration { return time.Since(l.began) }

// Timing returns the durations in force.
func (l *Lease) Timing() Timing { return l.cfg.Timing }

// Logger returns the logger.
func (l *Lease) Logger() *slog.Logger { return l.log }

// Owner returns the name of the process.
func (l *Lease) Owner() string { return l.cfg.Owner }
