package election

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/singleton-go/singleton/internal/lease"
)

var (
	// ErrPending says that another wish to this leader is not done yet.
	ErrPending = errors.New("another wish is pending")

	// ErrRefused says that the leader can't or won't do what was asked; the error's text says why.
	ErrRefused = errors.New("refused")

	// ErrExpired says that the term that the wish was for ended in another way.
	ErrExpired = errors.New("expired")

	// ErrUnanswered says that the leader did not take the wish up. Candidates that are not of this library never do.
	ErrUnanswered = errors.New("not answered")

	// ErrVacant says that nobody leads, so that nobody can be asked.
	ErrVacant = errors.New("nobody leads")
)

// A Wish is what a leader is asked to do.
type Wish struct {
	// To is the session of the candidate that shall lead next; empty asks the leader to resign and queue again. The wanted
	// candidate must be waiting in the queue. Candidates ahead of it give up their places for new ones at the tail.
	To string
}

// wishRecord is a wish in the store. Its asker writes it, its leader answers in it.
type wishRecord struct {
	ID     string `json:"id"`
	By     string `json:"by,omitempty"`
	For    uint64 `json:"for,omitempty"` // the token of the term that it is for, as the asker knew it
	To     string `json:"to,omitempty"`
	State  string `json:"state,omitempty"` // empty, adopted or refused
	Token  uint64 `json:"token,omitempty"` // of the term that adopted it, and for which alone it holds
	Reason string `json:"reason,omitempty"`
}

const (
	adopted = "adopted"
	refused = "refused"
)

func (w wishRecord) String() string {
	text, _ := json.Marshal(w) // strings and numbers always have a JSON form
	return string(text)
}

func readWish(e *lease.Entry) (w wishRecord, ok bool) {
	return w, e != nil && json.Unmarshal([]byte(e.Value), &w) == nil
}

// Ask asks the leader to make way, and waits for the outcome: nil when the leader has ended its term as asked, and the
// wanted candidate, if one was named, leads. The leader stops its runner first, in a planned way; it is never pre-empted.
// Any process may ask. Only one wish at a time is pending for an election ([ErrPending]); it vanishes when ctx ends.
func (e *Election) Ask(ctx context.Context, w Wish) error {
	if err := e.err(); err != nil {
		return err
	}
	leader, err := e.Leader(ctx)
	if err != nil {
		return err
	}
	if leader == (Leader{}) {
		return fmt.Errorf("wish for %s: %w", e.name, ErrVacant)
	}
	a := asker{e: e, record: wishRecord{ID: rand.Text(), By: e.l.Owner(), For: leader.Token, To: w.To}}
	changed := make(chan struct{}, 1)
	a.claim, err = e.l.Wish(e.name, a.record.ID, a.record.String(), func() { poke(changed) })
	if errors.Is(err, lease.ErrDuplicate) {
		err = ErrPending
	}
	if err != nil {
		return fmt.Errorf("wish for %s: %w", e.name, err)
	}
	defer a.withdraw()
	if err := a.await(ctx, changed); err != nil {
		return fmt.Errorf("wish for %s: %w", e.name, err)
	}
	return nil
}

// An asker waits for the answer to its wish.
type asker struct {
	e       *Election
	claim   *lease.Claim
	record  wishRecord
	adopted bool // by the leader that it is for
}

func (a *asker) await(ctx context.Context, changed <-chan struct{}) error {
	unanswered := time.NewTimer(a.e.l.Timing().TTL)
	defer unanswered.Stop()
	for {
		if done, err := a.outcome(); done {
			return err
		}
		select {
		case <-changed:
		case <-a.claim.Gone(): // another's wish is there, or the lease is closed
		case <-a.e.l.GivenUp():
			return a.e.l.Over()
		case <-unanswered.C:
			if !a.adopted {
				return ErrUnanswered
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (a *asker) outcome() (done bool, err error) {
	switch err := a.claim.Err(); {
	case errors.Is(err, ErrClosed):
		return true, err
	case err != nil:
		return true, fmt.Errorf("%w (%w)", ErrPending, err)
	}
	v := a.e.l.Look(a.e.name)
	w, ok := readWish(v.Wish)
	ok = ok && w.ID == a.record.ID
	a.adopted = a.adopted || ok && w.Token == a.record.For
	ended := len(v.Candidates) == 0 || v.Candidates[0].Created != a.record.For
	switch {
	case !ended && ok && w.State == refused:
		return true, fmt.Errorf("%w: %s", ErrRefused, w.Reason)
	case !ended:
		return false, nil
	case a.record.To == "" && a.adopted, a.record.To != "" && len(v.Candidates) > 0 && v.Candidates[0].Session == a.record.To:
		return true, nil // also where the next leader has refused a wish that was not for its term
	}
	return true, ErrExpired
}

func (a *asker) withdraw() {
	a.claim.Leave(nil)
	t := time.NewTimer(a.e.l.Timing().CallTimeout)
	defer t.Stop()
	select {
	case <-a.claim.Gone():
	case <-t.C:
	}
}

// follow does what a wish to the term's leader asks for, also while that is on its way out for another reason. The candidate's
// mutex is held.
func (t *term) follow() {
	if !t.c.e.l.Wished(t.c.e.name) {
		t.patience.stop()
		return
	}
	v := t.c.e.l.Look(t.c.e.name)
	w, ok := readWish(v.Wish)
	if !ok || w.State == refused || len(v.Candidates) == 0 || v.Candidates[0].Created != t.token {
		t.patience.stop()
		return
	}
	if *v.Wish == t.answered {
		return // the answer will be seen, or has failed and is written again
	}
	wanted := place(v, w.To)
	switch {
	case w.For != 0 && w.For != t.token, w.State == adopted && w.Token != t.token:
		t.answer(v.Wish, w, refused, "it was for an earlier term")
	case w.To != "" && wanted < 0:
		t.answer(v.Wish, w, refused, "the wanted candidate is not in the queue")
	case wanted == 0:
		t.answer(v.Wish, w, refused, "the wanted candidate leads already")
	case w.State == "":
		t.patience.stop()
		w.Token = t.token
		t.answer(v.Wish, w, adopted, "")
	case w.To == "" || wanted == 1:
		t.stop(fmt.Errorf("%w by %s", ErrAsked, w.By))
	case t.patience.rang:
		t.answer(v.Wish, w, refused, fmt.Sprintf("the candidates ahead of the wanted one did not make way; first is session %s",
			v.Candidates[1].Session))
	default:
		t.patience.set(t.c.e.l.Timing().TTL, t.c)
	}
}

// answer writes the leader's answer into the wish. If that fails it looks again after a while.
func (t *term) answer(e *lease.Entry, w wishRecord, state, reason string) {
	asked := *e
	w.State, w.Reason = state, reason
	t.answered = asked
	c := t.c
	c.e.l.AnswerWish(c.e.name, asked, w.String(), func(err error) {
		if err == nil {
			return
		}
		time.AfterFunc(c.e.l.Timing().CallTimeout, func() {
			c.mu.Lock()
			if t.answered == asked {
				t.answered = lease.Entry{}
			}
			c.mu.Unlock()
			c.look()
		})
	})
}

// makeWay gives up a place ahead of the candidate that an adopted wish names. The candidate's mutex is held.
func (c *Candidate) makeWay() {
	if !c.e.l.Wished(c.e.name) {
		return
	}
	v := c.e.l.Look(c.e.name)
	w, ok := readWish(v.Wish)
	if !ok || w.State != adopted || w.To == "" || len(v.Candidates) == 0 || v.Candidates[0].Created != w.Token {
		return
	}
	own, wanted := place(v, c.e.l.Session()), place(v, w.To)
	if own > 0 && wanted > own {
		c.claim.Requeue()
	}
}

// place returns where the candidate of this session stands in the queue, from 0 on; -1 where it doesn't.
func place(v lease.View, session string) int {
	return slices.IndexFunc(v.Candidates, func(e lease.Entry) bool { return e.Session == session })
}
