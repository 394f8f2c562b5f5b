package discovery

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/singleton-go/singleton/election"
	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/internal/lease"
)

// How long the mirror is kept after the last look, so that who looks every few seconds doesn't read the whole registry each
// time.
const linger = time.Minute

// A registry is the mirror of the records under the prefix, while somebody looks.
type registry struct {
	follower lease.Follower // without Apply
	lease    *lease.Lease

	mu      sync.Mutex
	mirror  *mirror // nil while nobody looks
	lookers map[*looker]bool
	idle    *time.Timer // while the mirror is kept and nobody looks
	closed  bool
	wg      sync.WaitGroup
}

// A mirror is one watch of the registry, from the first look to the last.
type mirror struct {
	r      *registry
	cancel context.CancelFunc
	items  map[string]item // by the key without the prefix; guarded by the registry's mutex
	loaded bool
	asOf   time.Time
}

// An item is a record that was understood.
type item struct {
	session string
	value   any // a Node, an Instance or an Endpoint
}

// A looker is woken after every change.
type looker struct {
	r       *registry
	changed chan struct{} // holds a token when there may be something new
	sub     *lease.Subscription
}

// look begins to look. Whoever looks must leave.
func (r *registry) look() (*looker, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, election.ErrClosed
	}
	if r.idle != nil {
		r.idle.Stop()
		r.idle = nil
	}
	if r.mirror == nil {
		r.begin()
	}
	l := &looker{r: r, changed: make(chan struct{}, 1)}
	r.lookers[l] = true
	l.sub = r.lease.Subscribe("", l.wake)
	return l, nil
}

func (r *registry) begin() {
	ctx, cancel := context.WithCancel(context.Background())
	m := &mirror{r: r, cancel: cancel, items: map[string]item{}}
	f := r.follower
	f.Apply = m.apply
	r.mirror = m
	r.wg.Go(func() { f.Run(ctx) })
}

func (l *looker) wake() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

func (l *looker) leave() {
	l.sub.Cancel()
	r := l.r
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.lookers, l)
	if len(r.lookers) > 0 || r.closed {
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(linger, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.idle == timer {
			r.drop()
		}
	})
	r.idle = timer
}

// drop lets the mirror go. It needs mu.
func (r *registry) drop() {
	if r.mirror != nil {
		r.mirror.cancel()
		r.mirror = nil
	}
	if r.idle != nil {
		r.idle.Stop()
		r.idle = nil
	}
}

// close lets the mirror go for good, and waits for its goroutine.
func (r *registry) close() {
	r.mu.Lock()
	r.closed = true
	r.drop()
	r.mu.Unlock()
	r.wg.Wait()
}

// apply brings the mirror up to date. What it costs depends on what has changed alone.
func (m *mirror) apply(u engine.Update) {
	r := m.r
	r.mu.Lock()
	defer r.mu.Unlock()
	if u.Reset {
		m.items = make(map[string]item, len(u.Changes))
		m.loaded = true
	}
	for _, c := range u.Changes {
		m.change(c)
	}
	if u.AsOf.After(m.asOf) {
		m.asOf = u.AsOf
	}
	if r.mirror == m && (u.Reset || len(u.Changes) > 0) {
		for l := range r.lookers {
			l.wake()
		}
	}
}

// change applies one change. What is not understood is not there: the record of another program, or of a cluster whose prefix
// continues this one's.
func (m *mirror) change(c engine.Change) {
	key := strings.TrimPrefix(c.Record.Key, m.r.follower.Prefix)
	kind, id, _ := strings.Cut(key, "/")
	if id == "" || strings.Contains(id, "/") {
		return
	}
	if c.Deleted {
		delete(m.items, key)
		return
	}
	value, err := decode(kind, id, c.Record.Value)
	if err != nil {
		delete(m.items, key)
		m.r.follower.Logger.Debug("record not understood", "key", c.Record.Key, "err", err)
		return
	}
	m.items[strings.Clone(key)] = item{session: c.Record.Session, value: value}
}
