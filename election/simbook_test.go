package election_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/singleton-go/singleton/election"
	"github.com/singleton-go/singleton/fence"
)

// A tenure is one term as the book knows it. The book's mutex guards what follows term.
type tenure struct {
	node *node
	term election.Term

	entered, exited time.Time // of its runner
	lost            time.Time // when it was no longer held
	cause           error     // why
	died            time.Time // when its process was killed
	broken          string    // the bound that the schedule broke for it, if that takes the promise away
	mustEnd         time.Time // until when a hold that was broken may last at most
}

func (t *tenure) runs() bool { return !t.entered.IsZero() && t.exited.IsZero() && t.died.IsZero() }

// overdue says whether the runner has stayed longer than it may, which only the schedule can have made it do.
func (t *tenure) overdue(now time.Time) bool {
	return errors.Is(t.cause, election.ErrLost) && now.Sub(t.lost) > simTiming.Drain
}

// A book has the history of terms, executions and effects of one world, and checks it while it is written.
type book struct {
	w *world

	mu      sync.Mutex
	open    []*tenure // held still, or at work, and the last one
	highest uint64
	written uint64 // the highest token among the effects
	lost    int    // terms that ended by a loss

	byHand    map[uint64]time.Time // the records that were removed so, and when their holds must have ended
	forgetsBy time.Time            // when the holds of the store's last life must have ended

	gate fence.Gate
}

// begin notes that a term has begun, unless its process has died before it could do anything.
func (b *book) begin(n *node, term election.Term) *tenure {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n.isDead() {
		return nil
	}
	b.w.sum.terms.Add(1)
	t := &tenure{node: n, term: term}
	if b.excuse(t); t.broken == "" { // else its process has not seen yet that it can't win any more
		b.checkBegin(t)
	}
	b.open = append(b.forget(), t)
	n.stopped.Go(func() { b.watch(t) })
	return t
}

// checkBegin checks a term that begins against all that is known of the earlier ones.
func (b *book) checkBegin(t *tenure) {
	if token := t.term.Token(); token <= b.highest {
		b.w.t.Errorf("%v: %s: token %d after %d", b.w.now(), t.node.name, token, b.highest)
	}
	b.highest = max(b.highest, t.term.Token())
	now := time.Now()
	for _, o := range b.open {
		b.checkGrant(o, t.node, now)
	}
}

// checkGrant checks what may be left of an earlier term when the next one begins.
func (b *book) checkGrant(o *tenure, next *node, now time.Time) {
	if o.broken != "" {
		return // until mustEnd; see watch
	}
	ended := o.exited
	switch err := o.term.Err(); {
	case !o.died.IsZero():
		if ended.IsZero() {
			ended = o.died
		} else if !errors.Is(o.cause, election.ErrLost) || ended.Before(o.lost) {
			return // it may have noted its clean end
		}
	case err == nil:
		b.w.t.Errorf("%v: %s begins a term while %s holds token %d", b.w.now(), next.name, o.node.name, o.term.Token())
		return
	case !errors.Is(err, election.ErrLost):
		if o.runs() {
			b.w.t.Errorf("%v: %s begins a term; token %d of %s was given up while its runner was at work: %v",
				b.w.now(), next.name, o.term.Token(), o.node.name, err)
		}
		return
	case o.exited.IsZero(), o.exited.Before(o.lost):
		return // at work still: checked when the next one enters; or it may have noted its clean end
	}
	if drained := o.lost.Add(simTiming.Drain); !o.lost.IsZero() && drained.Before(ended) {
		ended = drained
	}
	if now.Sub(ended) < b.w.delay {
		b.w.t.Errorf("%v: %s begins a term %v after token %d of %s has ended uncleanly, before the takeover delay of %v (lost at %v, %v)",
			b.w.now(), next.name, now.Sub(ended), o.term.Token(), o.node.name, b.w.delay, o.lost.Sub(b.w.began), o.term.Err())
	}
}

// watch notes when and why a term ends.
func (b *book) watch(t *tenure) {
	select {
	case <-t.term.Lost():
	case <-t.node.dead:
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if t.node.isDead() {
		return
	}
	t.lost, t.cause = time.Now(), t.term.Err()
	if errors.Is(t.cause, election.ErrLost) {
		b.lost++
		b.w.sum.lost.Add(1)
	}
	if t.broken != "" && t.lost.After(t.mustEnd) {
		b.w.t.Errorf("%v: %s held token %d until now, after it was %s, and should have noticed by %v", b.w.now(), t.node.name,
			t.term.Token(), t.broken, t.mustEnd.Sub(b.w.began))
	}
}

// enter notes that the runner of a term begins to work.
func (b *book) enter(t *tenure) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t.node.isDead() {
		return false
	}
	t.entered = time.Now()
	for _, o := range b.open {
		if o != t && o.runs() {
			b.checkExecution(o, t)
		}
	}
	return true
}

// checkExecution checks two executions that overlap: the older one must have been given more time than it had.
func (b *book) checkExecution(x, y *tenure) {
	old, young := x, y
	if old.term.Token() > young.term.Token() {
		old, young = young, old
	}
	if old.broken != "" || old.overdue(time.Now()) {
		b.w.sum.overlaps.Add(1)
		return
	}
	b.w.t.Errorf("%v: %s runs token %d while %s runs token %d (lost at %v: %v)", b.w.now(), young.node.name, young.term.Token(),
		old.node.name, old.term.Token(), old.lost.Sub(b.w.began), old.term.Err())
}

func (b *book) exit(t *tenure) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t.exited = time.Now()
}

// die notes that all of a process is gone. The caller holds mu.
func (b *book) die(n *node) {
	for _, t := range b.open {
		if t.node == n {
			t.died = time.Now()
		}
	}
}

// removed notes that the record with this token is about to be removed by hand. Its term may have begun, or begin still with a process
// that has not seen it.
func (b *book) removed(token uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.byHand[token] = time.Now().Add(simStopLine)
	for _, t := range b.open {
		b.excuse(t)
	}
}

// forgot notes that the store is about to forget everything that there is.
func (b *book) forgot() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.w.life++
	b.forgetsBy = time.Now().Add(simStopLine)
	for _, t := range b.open {
		b.excuse(t)
	}
}

// excuse notes that the schedule broke what the promise rests on, if it did so for this term. What is lost already may drain still.
func (b *book) excuse(t *tenure) {
	by, removed := b.byHand[t.term.Token()]
	switch {
	case t.broken != "":
	case removed:
		t.broken, t.mustEnd = "removed by hand", by
	case t.node.life != b.w.life:
		t.broken, t.mustEnd = "forgotten by the store", b.forgetsBy
	}
}

// forget leaves out what can't overlap with anything any more, but for the last two.
func (b *book) forget() []*tenure {
	var open []*tenure
	for i, t := range b.open {
		if over := !t.died.IsZero() || t.term.Err() != nil && !t.runs(); !over || i >= len(b.open)-2 {
			open = append(open, t)
		}
	}
	return open
}

func (b *book) losses() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lost
}

// leader returns who holds a term now, or nil.
func (b *book) leader() *tenure {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range b.open {
		if t.died.IsZero() && t.term.Err() == nil && t.broken == "" {
			return t
		}
	}
	return nil
}

// write has an effect on the fenced resource.
func (b *book) write(t *tenure) {
	token := t.term.Token()
	b.mu.Lock()
	late := token < b.written
	b.mu.Unlock()
	err := b.gate.Do(context.Background(), "resource", t.term, func(context.Context) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		if token < b.written {
			b.w.t.Errorf("%v: an effect of token %d after one of token %d", b.w.now(), token, b.written)
		}
		b.written = max(b.written, token)
		return nil
	})
	switch {
	case late && errors.Is(err, fence.ErrStale):
		b.w.sum.stale.Add(1)
	case err != nil && !errors.Is(err, fence.ErrStale):
		b.w.t.Error(err)
	}
}
