package grpcsingleton

import (
	"context"
	"fmt"
	"sync"

	"google.golang.org/grpc/attributes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/resolver"

	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/fence"
)

// Protocol is that of the endpoints which are followed.
const Protocol = "grpc"

// A follower resolves the names of singleton services for the connections of one set of dial options.
type follower struct {
	d *discovery.Discovery

	mu        sync.Mutex
	sightings map[string]*sighting // by service
}

// A sighting is the term that a service was last seen in.
type sighting struct {
	token    uint64        // 0 while nobody serves
	target   [2]string     // the metadata that names this term; empty where there is none
	outdated chan struct{} // closed by the next
}

func newSighting(service string, token uint64) *sighting {
	s := &sighting{token: token, outdated: make(chan struct{})}
	if token != 0 {
		s.target = [2]string{targetKey, fence.FormatTarget(string(discovery.Service)+"/"+service, token)}
	}
	return s
}

// meant says in the metadata which term a call is meant for, where one is known.
func (s *sighting) meant(ctx context.Context) context.Context {
	if s.token == 0 {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, s.target[:]...)
}

// sighting returns the latest of a service.
func (f *follower) sighting(service string) *sighting {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sightings == nil {
		f.sightings = map[string]*sighting{}
	}
	if f.sightings[service] == nil {
		f.sightings[service] = newSighting(service, 0)
	}
	return f.sightings[service]
}

// saw notes that a service is in another term now. Several connections to one service see the same.
func (f *follower) saw(service string, token uint64) {
	s := f.sighting(service)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sightings[service] == s && s.token != token {
		f.sightings[service] = newSighting(service, token)
		close(s.outdated)
	}
}

// Scheme implements [resolver.Builder].
func (f *follower) Scheme() string { return Scheme }

// Build implements [resolver.Builder].
func (f *follower) Build(target resolver.Target, cc resolver.ClientConn, _ resolver.BuildOptions) (resolver.Resolver, error) {
	service := target.Endpoint()
	if target.URL.Host != "" || service == "" {
		return nil, errName(target.String())
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{cancel: cancel}
	r.wg.Go(func() { f.follow(ctx, service, cc) })
	return r, nil
}

// follow tells a connection where the service is until ctx ends.
func (f *follower) follow(ctx context.Context, service string, cc resolver.ClientConn) {
	for target, err := range f.d.Follow(ctx, service) {
		if err != nil {
			cc.ReportError(err)
			return
		}
		addresses := usable(target)
		if len(addresses) == 0 {
			target.Token = 0
		}
		f.saw(service, target.Token)
		// No address at all is an error to gRPC, and just what is meant: calls fail at once, or wait.
		if err := cc.UpdateState(resolver.State{Addresses: addresses}); err != nil && len(addresses) > 0 {
			cc.ReportError(fmt.Errorf("service %s at %v: %w", service, addresses, err))
		}
	}
}

// tokenKey is the attribute of an address that makes it another one with each term: a connection to the term before is of no
// use, even where the address is the same.
type tokenKey struct{}

func usable(t discovery.Target) (list []resolver.Address) {
	for _, e := range t.Endpoints {
		if e.Protocol == Protocol {
			list = append(list, resolver.Address{Addr: e.Address, Attributes: attributes.New(tokenKey{}, t.Token)})
		}
	}
	return list
}

// A running resolver is one connection's.
type running struct {
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// ResolveNow implements [resolver.Resolver]. There is nothing to ask for: news come by themselves.
func (r *running) ResolveNow(resolver.ResolveNowOptions) {}

// Close implements [resolver.Resolver].
func (r *running) Close() {
	r.cancel()
	r.wg.Wait()
}
