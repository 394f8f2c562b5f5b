package election

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/singleton-go/singleton/internal/lease"
)

// A Term is one candidate's time as leader: a context, a fencing token, an end. The zero Term is nobody's: its token is 0,
// which every fence refuses.
type Term struct{ t *term }

type term struct {
	c     *Candidate
	token uint64
	began time.Time
	lost  context.Context // ends when leadership is lost or given up
	ctx   context.Context // ends then, and when the leader is to stop
	stop  context.CancelCauseFunc

	// Under the mutex of the candidate.
	answered lease.Entry // the wish as it was when this leader answered it
	patience alarm       // for candidates that are to make way
}

type termKey struct{}

func newTerm(lost context.Context, c *Candidate, token uint64) *term {
	t := &term{c: c, token: token, began: time.Now(), lost: lost}
	ctx, stop := context.WithCancelCause(context.WithValue(lost, termKey{}, Term{t}))
	t.ctx, t.stop = ctx, stop
	return t
}

// TermFrom returns the term that a context belongs to: that of a runner, or of the function that [Election.Lead] runs.
func TermFrom(ctx context.Context) (Term, bool) {
	t, ok := ctx.Value(termKey{}).(Term)
	return t, ok
}

// Election returns the name of the election.
func (t Term) Election() string {
	if t.t == nil {
		return ""
	}
	return t.t.c.e.name
}

// Token returns the fencing token: it is higher than that of every earlier term of this election.
func (t Term) Token() uint64 {
	if t.t == nil {
		return 0
	}
	return t.t.token
}

// Since returns when the term began, on this process's clock.
func (t Term) Since() time.Time {
	if t.t == nil {
		return time.Time{}
	}
	return t.t.began
}

// Context ends with the term, and before that when the leader is to stop; its cause says why.
func (t Term) Context() context.Context {
	if t.t == nil {
		return context.Background()
	}
	return t.t.ctx
}

// Lost is closed when leadership was lost or given up. Until then the term is held, also while a runner that was told to
// stop is draining.
func (t Term) Lost() <-chan struct{} {
	if t.t == nil {
		return nil
	}
	return t.t.lost.Done()
}

// Err returns nil while the term is held, and then why it ended. It does not look at the clocks, see [Term.Check].
func (t Term) Err() error {
	if t.t == nil {
		return ErrLost
	}
	return context.Cause(t.t.lost)
}

// Check returns nil if the term is held and its session trusted at this moment, by a fresh reading of the clocks; otherwise
// why not. It asks nobody, and also notices that the machine was suspended. Call it before an effect that can't be fenced.
func (t Term) Check() error {
	if t.t == nil {
		return ErrLost
	}
	t.t.c.claim.Check()
	return t.Err()
}

// lost returns an error if the term is over, however its end was told, but for a resignation.
func (t Term) lost() error {
	switch err := t.Check(); {
	case errors.Is(err, ErrLost):
		return err
	case err != nil && !errors.Is(err, ErrResigned): // closed, perhaps long ago
		return t.t.c.claim.Sure()
	}
	return nil
}

// Confirm asks the store whether the term is held, and returns nil if it was still held when the call began. It is for one who
// has reason to doubt: [Term.Check] costs nothing, and is enough for everybody else. An error other than [ErrLost] says that the
// store did not answer in time, and nothing about the term.
func (t Term) Confirm(ctx context.Context) error {
	if t.t == nil {
		return ErrLost
	}
	err := t.t.c.e.l.Confirm(ctx)
	if lost := t.Err(); lost != nil {
		return lost
	}
	if err != nil {
		return fmt.Errorf("confirm term %d of %s: %w", t.Token(), t.Election(), err)
	}
	return nil
}

// Resign ends the term, and removes its record so that the next candidate leads. The caller must have stopped what it did
// as leader. It waits for the store for a bounded time, also when ctx has ended. Resigning again, or from a term that was
// lost, does no harm to anybody's later term.
func (t Term) Resign(ctx context.Context) error {
	if t.t == nil {
		return nil
	}
	return t.t.c.Leave(ctx)
}

// Stop tells the leader to stop: the term's context ends, with this cause. The term is held until it is resigned, or lost.
func (t Term) Stop(cause error) {
	if t.t != nil {
		t.t.stop(cause)
	}
}

// release notes that the work under the term has stopped, where a successor cares.
func (t *term) release(ctx context.Context) {
	if t.c.e.delay() == 0 || t.lost.Err() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, t.c.e.l.Timing().CallTimeout) // so that there is time left to resign
	defer cancel()
	if err := t.c.e.l.Release(ctx, t.c.e.name, t.token); err != nil {
		t.c.e.l.Logger().Warn("clean end not noted: the successor waits its takeover delay",
			"election", t.c.e.name, "token", t.token, "err", err)
	}
}
