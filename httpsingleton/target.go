package httpsingleton

import (
	"context"
	"math/rand/v2"
	"sync/atomic"

	"github.com/singleton-go/singleton/discovery"
)

// A tracker knows where a service is now.
type tracker struct {
	now atomic.Pointer[sighting]
}

// A sighting is one target, and what tells that it is outdated.
type sighting struct {
	discovery.Target
	usable  []discovery.Endpoint // those that speak HTTP
	changed chan struct{}
	err     error // nothing will be sighted any more
}

func newTracker() *tracker {
	t := &tracker{}
	t.now.Store(&sighting{changed: make(chan struct{})})
	return t
}

// run follows the service until ctx ends, and calls moved after each change.
func (t *tracker) run(ctx context.Context, d *discovery.Discovery, service string, moved func()) {
	for target, err := range d.Follow(ctx, service) {
		t.set(&sighting{Target: target, usable: usable(target.Endpoints), err: err})
		moved()
	}
	if ctx.Err() != nil {
		t.set(&sighting{err: context.Cause(ctx)})
	}
}

func (t *tracker) set(s *sighting) {
	s.changed = make(chan struct{})
	close(t.now.Swap(s).changed)
}

func usable(all []discovery.Endpoint) (list []discovery.Endpoint) {
	for _, e := range all {
		if e.Protocol == "http" || e.Protocol == "https" {
			list = append(list, e)
		}
	}
	return list
}

// pick chooses among several addresses of one term by their weights.
func (s *sighting) pick() discovery.Endpoint {
	total := 0
	for _, e := range s.usable {
		total += e.Weight
	}
	if total <= 0 {
		return s.usable[rand.N(len(s.usable))]
	}
	n := rand.N(total)
	for _, e := range s.usable {
		if n -= e.Weight; n < 0 {
			return e
		}
	}
	return s.usable[0]
}
