package grpcsingleton

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"google.golang.org/grpc"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/discovery"
)

// A Service serves gRPC while its process leads. It is a runner for [singleton.Service], made by [Server], and for one unit only.
type Service struct {
	addr     string
	register func(*grpc.Server)
	options  ServerOptions

	mu      sync.Mutex
	serving *serving // nil while this process doesn't serve
}

// ServerOptions refine a [Server]. The zero ServerOptions are the default.
type ServerOptions struct {
	// Advertise is the address that others are told, see [discovery.Advertise]. The default is the address that is listened on.
	Advertise string

	// Labels are added to the endpoint's record.
	Labels map[string]string

	// Weight is written to the endpoint's record, for other clients than those of this package; default 100.
	Weight int

	// Options are those of each term's server: credentials, limits, interceptors. Interceptors run after the term was checked.
	Options []grpc.ServerOption
}

// Server returns a runner that listens on addr, as "host:port" with 0 for any free port, while its process leads, and makes known
// where. Each term has a server of its own, on which register registers services; the standard health service is there
// already, and says SERVING. The context of each call belongs to the term: [singleton.TermFrom] finds it there.
//
// When the unit is to stop, the address is withdrawn, no new call is run, and those under way may end within the grace time. When
// leadership is lost, their contexts end at once, with cause [singleton.ErrLost], and all connections are closed. Run has
// returned only when every handler has, so a handler that heeds no context keeps leadership with this process.
func Server(addr string, register func(*grpc.Server), o ServerOptions) *Service {
	return &Service{addr: addr, register: register, options: o}
}

// Check implements [singleton.Checker].
func (s *Service) Check() error {
	_, _, err := net.SplitHostPort(s.addr)
	if err == nil && s.options.Advertise != "" {
		_, _, err = net.SplitHostPort(s.options.Advertise)
	}
	switch {
	case err != nil:
		return fmt.Errorf("grpc server: %w", err)
	case s.register == nil:
		return errors.New("grpc server: register: nil")
	case s.options.Weight < 0:
		return fmt.Errorf("grpc server: Weight %d: must not be negative", s.options.Weight)
	}
	return nil
}

// Run listens and serves until ctx ends. What is under way then is left to Shutdown.
func (s *Service) Run(ctx context.Context) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", s.addr)
	if err != nil {
		return fmt.Errorf("grpc server: %w", err)
	}
	var v *serving
	defer func() {
		if v == nil { // others have a say in how it is made, and may panic
			_ = l.Close()
		}
	}()
	v = newServing(ctx, s, l)
	s.set(v)
	if err := s.publish(ctx, l.Addr()); err != nil {
		return fmt.Errorf("grpc server on %s: %w", l.Addr(), err)
	}
	select {
	case <-ctx.Done():
		return nil
	case <-v.over:
		return v.err
	}
}

// Shutdown lets calls under way end until ctx ends, or leadership is lost. It returns when all handlers have.
func (s *Service) Shutdown(ctx context.Context, _ error) error {
	v := s.current()
	if v == nil {
		return nil
	}
	defer s.set(nil)
	return v.stop(ctx)
}

func (s *Service) set(v *serving) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serving = v
}

func (s *Service) current() *serving {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.serving
}

func (s *Service) publish(ctx context.Context, at net.Addr) error {
	address, err := discovery.Advertise(at, s.options.Advertise)
	if err != nil {
		return err
	}
	return singleton.Publish(ctx, singleton.Endpoint{
		Protocol: Protocol, Address: address, Labels: s.options.Labels, Weight: s.options.Weight,
	})
}
