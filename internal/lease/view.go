package lease

import (
	"context"
	"strconv"

	"github.com/singleton-go/singleton/engine"
)

// A View is what the mirror knows of one election.
type View struct {
	Loaded     bool    // the mirror has held the whole state at least once
	Candidates []Entry // in the order of the queue: the first one leads
	Wish       *Entry
}

// Look returns the present view of an election.
func (l *Lease) Look(election string) View {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := View{Loaded: l.loaded}
	if q := l.queues[election]; q != nil {
		v.Candidates = entries(q.candidates)
		if q.more != nil && len(q.more.wishes) > 0 {
			w := q.more.wishes[0].Entry()
			v.Wish = &w
		}
	}
	return v
}

// Wished says whether there is a wish for an election. Few have one, and of those alone the whole view is needed.
func (l *Lease) Wished(election string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.queues[election]
	return q != nil && q.more != nil && len(q.more.wishes) > 0
}

func entries(list []entry) []Entry {
	var all []Entry
	for _, e := range list {
		all = append(all, e.Entry())
	}
	return all
}

// Head returns the first candidate of an election, and whether the mirror is loaded.
func (l *Lease) Head(election string) (head Entry, loaded bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if q := l.queues[election]; q != nil && len(q.candidates) > 0 {
		head = q.candidates[0].Entry()
	}
	return head, l.loaded
}

// Elections returns the view of every election that has a candidate.
func (l *Lease) Elections() map[string]View {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make(map[string]View, len(l.queues))
	for name, q := range l.queues {
		if len(q.candidates) > 0 {
			all[name] = View{Loaded: l.loaded, Candidates: entries(q.candidates)}
		}
	}
	return all
}

// Session returns the ID of the present session; empty while there is none.
func (l *Lease) Session() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gen == nil {
		return ""
	}
	return l.gen.id
}

// Closed is closed when the lease is.
func (l *Lease) Closed() <-chan struct{} { return l.ctx.Done() }

// AnswerWish writes an answer into the wish w, which may be another process's. Done is called with the outcome, on a
// goroutine of the lease's.
func (l *Lease) AnswerWish(election string, w Entry, answer string, done func(error)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	gen := l.gen
	if l.closed || gen == nil {
		return
	}
	r := engine.Record{Key: l.cfg.Range + wish.String() + "/" + election + "/" + w.Name, Session: w.Session, Created: w.Created}
	l.wg.Go(func() {
		ctx, cancel := context.WithTimeout(gen.ctx, l.cfg.Timing.CallTimeout)
		defer cancel()
		_, err := gen.session.Replace(ctx, r, []byte(answer))
		l.lost(gen, err)
		done(err)
	})
}

// Release notes in the store that the term with this token ended with its runner returned, and waits until that is
// written. A successor that sees it need not wait. The note stays until the session ends, or until the next one.
func (l *Lease) Release(ctx context.Context, election string, token uint64) error {
	c, err := l.note(spot{released, election}, strconv.FormatUint(token, 10))
	if err != nil {
		return err
	}
	return c.Settled(ctx)
}

// note claims a record, or changes the one that is claimed.
func (l *Lease) note(at spot, value string) (*Claim, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.claims.at(at); c != nil && c.wanted {
		c.set(value)
		return c, nil
	}
	return l.enter(&Claim{kind: at.kind, of: at.of, value: value}, nil)
}
