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
	mirror  *mirror                     // nil while nobody looks
	lookers map[string]map[*looker]bool // by the service that they follow; "" for those who look at everything
	idle    *time.Timer                 // while the mirror is kept and nobody looks
	closed  bool
	wg      sync.WaitGroup
}

// A mirror is one watch of the registry, from the first look to the last.
type mirror struct {
	r      *registry
	cancel context.CancelFunc

	// Guarded by the registry's mutex.
	items     map[string]item                // by the key without the prefix
	endpoints map[string]map[string]Endpoint // those among the items, by service and key
	loaded    bool
	asOf      time.Time
}

// An item is a record that was understood.
type item struct {
	session string
	value   any // a Node, an Instance or an Endpoint
}

// A looker is woken after every change that concerns it.
type looker struct {
	r       *registry
	service string
	changed chan struct{} // holds a token when there may be something new
	sub     *lease.Subscription
}

// look begins to look at one service, or at everything for an empty name. Whoever looks must leave.
func (r *registry) look(service string) (*looker, error) {
	if err := r.lease.Over(); err != nil {
		return nil, err
	}
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
	l := &looker{r: r, service: service, changed: make(chan struct{}, 1)}
	if r.lookers[service] == nil {
		r.lookers[service] = map[*looker]bool{}
	}
	r.lookers[service][l] = true
	queue := ""
	if service != "" {
		queue = electionOf(service)
	}
	l.sub = r.lease.Subscribe(queue, l.wake)
	return l, nil
}

func (r *registry) begin() {
	ctx, cancel := context.WithCancel(context.Background())
	m := &mirror{r: r, cancel: cancel}
	f := r.follower
	f.Apply = m.apply
	r.mirror = m
	r.wg.Go(func() { _ = f.Run(ctx) }) // a store that went back is reported by the lease
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
	if delete(r.lookers[l.service], l); len(r.lookers[l.service]) == 0 {
		delete(r.lookers, l.service)
	}
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
		m.endpoints = map[string]map[string]Endpoint{}
		m.loaded = true
	}
	concerned := map[string]bool{}
	for _, c := range u.Changes {
		m.change(c, concerned)
	}
	if u.AsOf.After(m.asOf) {
		m.asOf = u.AsOf
	}
	switch {
	case r.mirror != m:
	case u.Reset:
		for service := range r.lookers {
			r.wake(service)
		}
	case len(u.Changes) > 0:
		r.wake("")
		for service := range concerned {
			r.wake(service)
		}
	}
}

func (r *registry) wake(service string) {
	for l := range r.lookers[service] {
		l.wake()
	}
}

// change applies one change, and notes which service it concerns. What is not understood is not there: the record of another
// program, or of a cluster whose prefix continues this one's.
func (m *mirror) change(c engine.Change, concerned map[string]bool) {
	key := strings.TrimPrefix(c.Record.Key, m.r.follower.Prefix)
	kind, id, _ := strings.Cut(key, "/")
	if id == "" || strings.Contains(id, "/") {
		return
	}
	if e, ok := m.items[key].value.(Endpoint); ok {
		concerned[e.Service] = true
		if delete(m.endpoints[e.Service], key); len(m.endpoints[e.Service]) == 0 {
			delete(m.endpoints, e.Service)
		}
	}
	delete(m.items, key)
	if c.Deleted {
		return
	}
	value, err := decode(kind, id, c.Record.Value)
	if err != nil {
		m.r.follower.Logger.Debug("record not understood", "key", c.Record.Key, "err", err)
		return
	}
	key = strings.Clone(key)
	m.items[key] = item{session: c.Record.Session, value: value}
	if e, ok := value.(Endpoint); ok {
		concerned[e.Service] = true
		if m.endpoints[e.Service] == nil {
			m.endpoints[e.Service] = map[string]Endpoint{}
		}
		m.endpoints[e.Service][key] = e
	}
}
