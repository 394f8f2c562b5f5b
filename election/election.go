// Package election decides who of many does what only one may do.
//
// Candidates of one name queue in the store; the first in the queue leads. Its time as leader is a [Term], with a fencing
// token that rises with every term. [Election.Lead] is the way most programs should use: leadership is a scope, held exactly
// as long as a function runs. [Election.Campaign] and [Term.Resign] are the same in two steps, [Election.Leader] and
// [Election.Observe] tell who leads, and [Election.Ask] asks the leader to make way.
//
// A term's context ends before another can be elected, as far as the promise of package singleton goes.
package election

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/singleton-go/singleton/internal/lease"
	"github.com/singleton-go/singleton/internal/names"
)

var (
	// ErrLost says that leadership was lost: the session ended, could not be renewed in time, or the record was removed.
	ErrLost = lease.ErrLost

	// ErrClosed says that this process has closed its way to the store.
	ErrClosed = lease.ErrClosed

	// ErrCandidate says that this process is a candidate in this election already, perhaps by a term that was lost and not
	// resigned.
	ErrCandidate = errors.New("already a candidate in this process")

	// ErrResigned is the cause with which a term's context ends when its own process resigned.
	ErrResigned = errors.New("resigned")

	// ErrAsked is the cause with which a term's context ends when the leader follows a [Wish].
	ErrAsked = errors.New("asked to make way")
)

// An Election is one named contest, as this process sees it. Discovery hands them out.
type Election struct {
	l       *lease.Lease
	name    string
	id      string
	refined *refinements // nil for none, so that one of very many is small
}

// refinements are what options have said, or what is wrong with them or with the name.
type refinements struct {
	delay time.Duration
	err   error
}

func (e *Election) refine() *refinements {
	if e.refined == nil {
		e.refined = &refinements{}
	}
	return e.refined
}

// delay is the takeover delay.
func (e *Election) delay() time.Duration {
	if e.refined == nil {
		return 0
	}
	return e.refined.delay
}

func (e *Election) err() error {
	if e.refined == nil {
		return nil
	}
	return e.refined.err
}

// An Option refines an election.
type Option func(*Election)

// WithID sets what the candidate writes into its record for others to read; the default is the ID of the node.
func WithID(id string) Option {
	return func(e *Election) {
		if e.id = id; id == "" {
			e.refine().err = fmt.Errorf("election %s: candidate's ID: empty", e.name)
		}
	}
}

// WithTakeoverDelay makes a candidate that has won wait for d before its term begins, unless its predecessor was seen to
// resign with its work done. It is for effects that carry no fencing token and may still be on their way when their sender
// is gone: d is how long they can be under way. All candidates of an election should use the same.
func WithTakeoverDelay(d time.Duration) Option {
	return func(e *Election) {
		if d != 0 || e.refined != nil {
			e.refine().delay = d
		}
		if d < 0 {
			e.refine().err = fmt.Errorf("election %s: TakeoverDelay %v: must not be negative", e.name, d)
		}
	}
}

// New returns the election of this name. A bad name or option is reported by every method of the election.
func New(l *lease.Lease, name, id string, options ...Option) *Election {
	e := &Election{l: l, name: name, id: id}
	if err := names.CheckElection(name); err != nil {
		e.refine().err = err
	}
	for _, o := range options {
		o(e)
	}
	return e
}

// Name returns the name of the election.
func (e *Election) Name() string { return e.name }

// Lead waits for leadership, runs fn, and resigns when fn has returned, never before. The context of fn ends when leadership
// is lost (cause [ErrLost]), when the leader is asked to make way ([ErrAsked]), and when ctx ends; fn then has the drain
// time, or after a planned end as long as it takes, to return.
//
// It returns fn's error. If leadership was lost before fn returned, the error matches [ErrLost], also where fn returned nil:
// what fn did last may have come after another's first.
func (e *Election) Lead(ctx context.Context, fn func(ctx context.Context, term Term) error) (err error) {
	t, err := e.campaign(ctx, ctx)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { t.Stop(context.Cause(ctx)) })
	defer func() {
		stop()
		if lost := t.lost(); lost != nil {
			err = errors.Join(err, lost)
		}
		if resigned := t.Resign(ctx); err == nil {
			err = resigned
		}
	}()
	return fn(t.Context(), t)
}

// Campaign waits until this process leads, and returns the term. It has then seen its own live record at the head of the
// queue. When ctx ends first it returns the cause, and leaves no record behind. The term outlives ctx, whose values its
// context has; it lasts until it is lost or [Term.Resign] is called. A term that was lost must be resigned too, when the work under it
// has stopped: until then this process stays a candidate, so that another Campaign is refused, and a Close waits.
//
// A session that is lost while waiting costs the place in the queue, not the wait. A store that is not the one that it was ends the
// wait, with package engine's ErrRewound: this process will not lead on it.
func (e *Election) Campaign(ctx context.Context) (Term, error) {
	return e.campaign(ctx, context.WithoutCancel(ctx))
}

func (e *Election) campaign(ctx, base context.Context) (Term, error) {
	if ctx.Err() != nil {
		return Term{}, fmt.Errorf("campaign for %s: %w", e.name, context.Cause(ctx))
	}
	won := make(chan Term, 1)
	c, err := e.Enter(base, func(t Term) { won <- t })
	if err != nil {
		return Term{}, err
	}
	select {
	case t := <-won:
		return t, nil
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-e.l.GivenUp():
		err = e.l.Over()
	case <-c.Gone():
		err = c.claim.Err()
	}
	return Term{}, errors.Join(fmt.Errorf("campaign for %s: %w", e.name, err), c.Leave(ctx))
}

// A Leader is who leads an election. The zero Leader means nobody.
type Leader struct {
	Candidate string // the ID that the candidate wrote: of a unit, or of a node
	Session   string // the session that its record belongs to
	Token     uint64 // the fencing token of its term
}

// Leader returns who leads now, as far as this process knows; it waits until it knows anything. Nobody is no error.
func (e *Election) Leader(ctx context.Context) (Leader, error) {
	for leader, err := range e.Observe(ctx) {
		return leader, err
	}
	return Leader{}, context.Cause(ctx)
}

// Observe yields who leads, at once and after every change, until ctx ends or the loop is left. A reader that is slow misses
// what was between, never the latest, and holds up nobody. A vacancy is yielded as the zero Leader. An error is the last thing that
// is yielded: [ErrClosed], or package engine's ErrRewound when the store is not the one that it was.
func (e *Election) Observe(ctx context.Context) iter.Seq2[Leader, error] {
	return func(yield func(Leader, error) bool) {
		if err := e.err(); err != nil {
			yield(Leader{}, err)
			return
		}
		changed := make(chan struct{}, 1)
		sub := e.l.Subscribe(e.name, func() { poke(changed) })
		defer sub.Cancel()
		last := Leader{Session: "/"} // differs from any
		for {
			if err := e.l.Over(); err != nil {
				yield(Leader{}, fmt.Errorf("observe %s: %w", e.name, err))
				return
			}
			if head, loaded := e.l.Head(e.name); loaded && leaderOf(head) != last {
				last = leaderOf(head)
				if !yield(last, nil) {
					return
				}
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			case <-e.l.GivenUp():
			case <-e.l.Closed():
			}
		}
	}
}

// Waiting returns the sessions of those who wait, the next one first, as far as this process knows. It asks nobody.
func (e *Election) Waiting() []string {
	v := e.l.Look(e.name)
	var sessions []string
	for i, c := range v.Candidates {
		if i > 0 {
			sessions = append(sessions, c.Session)
		}
	}
	return sessions
}

func leaderOf(e lease.Entry) Leader {
	return Leader{Candidate: e.Value, Session: e.Session, Token: e.Created}
}

func poke(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
