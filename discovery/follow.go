package discovery

import (
	"context"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/singleton-go/singleton/internal/names"
)

// TokenLabel is the label of an endpoint that holds the fencing token of the term that it belongs to, in decimal.
const TokenLabel = "token"

// A Target is where a singleton service can be reached. The zero Target means nowhere: nobody leads, or the leader is not
// ready yet.
type Target struct {
	// Token is the fencing token of the term that serves. It changes with every term, also where the addresses stay the same.
	Token uint64

	// Endpoints are those of this term that are ready, at least one, by address. They must not be changed.
	Endpoints []Endpoint
}

// Follow yields where the singleton service of this name can be reached, at once and after every change, until ctx ends or the
// loop is left. A reader that is slow misses what was between, never the latest. Between two terms the zero [Target] is
// yielded. While the store is out of reach the last target stays: whether it still leads is for the server to know.
//
// All followers of a process share its two watches, and each is woken by changes to its own service alone. Endpoints of the
// original framework's services, which bear no token, are taken to belong to the leader that they name.
//
// An error, of a bad name or as of [Discovery.Observe], is the last thing that is yielded.
func (d *Discovery) Follow(ctx context.Context, service string) iter.Seq2[Target, error] {
	return func(yield func(Target, error) bool) {
		err := names.Check(string(Service), service)
		if err == nil {
			err = d.follow(ctx, service, func(t Target) bool { return yield(t, nil) })
		}
		if err != nil {
			yield(Target{}, fmt.Errorf("follow service %s: %w", service, err))
		}
	}
}

// follow returns nil when yield has returned false or ctx has ended.
func (d *Discovery) follow(ctx context.Context, service string, yield func(Target) bool) error {
	l, err := d.registry.look(service) //nolint:contextcheck // what all who look share ends with none of their contexts
	if err != nil {
		return err
	}
	defer l.leave()
	var last *Target
	for {
		if t, loaded := d.target(service); loaded && (last == nil || !reflect.DeepEqual(*last, t)) {
			if last = &t; !yield(t) {
				return nil
			}
		}
		if on, err := await(ctx, d, l.changed); !on {
			return err
		}
	}
}

// target puts together what two watches tell, between which there is no order. The endpoints of the newest term count, unless
// the queue shows that another leads since: it is what has ended, or is not ready.
func (d *Discovery) target(service string) (t Target, loaded bool) {
	head, loaded := d.lease.Head(electionOf(service))
	if !loaded {
		return t, false
	}
	all, loaded := d.registry.endpoints(service)
	if !loaded || head.Created == 0 {
		return t, loaded
	}
	t.Token = head.Created
	for _, e := range all {
		t.Token = max(t.Token, e.token())
	}
	for _, e := range all {
		foreign := e.token() == 0 && e.ServiceID == head.Value
		if e.State == Ready && (e.token() == t.Token || foreign && t.Token == head.Created) {
			t.Endpoints = append(t.Endpoints, e)
		}
	}
	if len(t.Endpoints) == 0 {
		return Target{}, true
	}
	slices.SortFunc(t.Endpoints, func(a, b Endpoint) int {
		return strings.Compare(a.Address+" "+a.ID, b.Address+" "+b.ID)
	})
	return t, true
}

// electionOf returns the name of a service's election.
func electionOf(service string) string { return string(Service) + "/" + service }

// token returns that of the term that the endpoint belongs to; 0 where it bears none.
func (e Endpoint) token() uint64 {
	token, _ := strconv.ParseUint(e.Labels[TokenLabel], 10, 64)
	return token
}

// endpoints returns those of a service, and whether the mirror is loaded.
func (r *registry) endpoints(service string) (list []Endpoint, loaded bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mirror == nil || !r.mirror.loaded {
		return nil, false
	}
	for _, e := range r.mirror.endpoints[service] {
		list = append(list, e)
	}
	return list, true
}
