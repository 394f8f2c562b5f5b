// Package grpcfence fences a gRPC server: a call of an older term is refused once a newer term has been there.
//
// The client's side is [DialOptions]: it sends the election and the token of the sender's term with every call, in the metadata
// [fence.ElectionHeader] and [fence.TokenHeader] (in lower case, as gRPC has them). The server's side is [ServerOptions]: it
// lets calls through a [fence.Gate], so calls of one term run at the same time, and those of different terms never do:
//
//	client                       server
//	term 7  ── call, 7 ──►       accepted
//	term 9  ── call, 9 ──►       token 7 still being handled? its context ends; token 9 waits for its return
//	term 7  ── call, 7 ──►       FailedPrecondition, both tokens named; the client's error is a [*fence.StaleError]
//
// # Streams
//
// A stream is one effect, from its beginning to its end. When a newer term comes, its context ends, and so does waiting for the
// next message or for room to send one: the old leader at the other end may be stopped, and would hold up its successor.
// A message whose sending or receiving was interrupted so must not be used again.
//
// # Limits
//
// A gate lives in memory: after a restart of the server the first call is accepted, however old its term. Where the effects are
// in a database, let the database check too: the call's context holds the client's term ([fence.TermFrom]), ready for
// fence/sqlfence. Several servers in front of one database must do so, since each has a gate of its own. What the database
// refuses is told to the client as what the gate refuses, if the handler returns the error.
//
// What a handler leaves running when it returns is not fenced.
//
// Whoever can send calls can name any token, and a very high one shuts all real terms out (until a [fence.Gate.Reset]). So
// authenticate before the fence, by transport credentials or by an interceptor in front of it.
package grpcfence

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/singleton-go/singleton/fence"
)

// Options say what a server guards.
type Options struct {
	// Resource names what the methods change. Required. A server with several resources has one set of ServerOptions for each,
	// and the methods of the others are Unfenced there.
	Resource string

	// Elections are those whose leaders may use the resource. Required: tokens of different elections can't be compared, so a
	// client that names another election would not be fenced at all.
	Elections []string

	// Unfenced are methods that change nothing, such as those of a health check, and may be called without a term: whole
	// services ("/grpc.health.v1.Health/") and single methods ("/ledger.v1.Ledger/Balance"). All others are fenced.
	Unfenced []string

	// Gate is where the highest tokens are kept; nil means a new one. One gate behind several servers, of HTTP too, makes them
	// one resource if they name it alike. Keep it where a person can reset it.
	Gate *fence.Gate
}

// ServerOptions returns what makes a [grpc.Server] refuse calls whose term is not as new as any before:
//
//   - FailedPrecondition: a newer term has been there ([fence.ErrStale]). It is the code for what is of no use to repeat as
//     long as the system is as it is. (Aborted would invite to begin the work again.) The status has an errdetails.ErrorInfo
//     with [Reason], [Domain] and both tokens.
//   - InvalidArgument: the call has no term, or what it has is malformed, or there are several.
//   - PermissionDenied: the election is none of those that may use the resource.
//   - Canceled, DeadlineExceeded: the call ended while it waited for an older term's calls to return.
//
// A handler finds the term in its context by [fence.TermFrom]. When a newer term comes, that context ends, with a
// [*fence.StaleError] as the cause; the handler must return soon, since the newer term waits for it. If it returns that cause,
// or that its context was cancelled, the client learns why.
//
// Interceptors are called in the order of the options. ServerOptions refuses options without a resource or an election, or with
// names that can't be any ([fence.ErrInvalid]).
func ServerOptions(o Options) ([]grpc.ServerOption, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	if o.Gate == nil {
		o.Gate = new(fence.Gate)
	}
	o.Elections, o.Unfenced = slices.Clone(o.Elections), slices.Clone(o.Unfenced)
	s := &server{o}
	return []grpc.ServerOption{grpc.ChainUnaryInterceptor(s.unary), grpc.ChainStreamInterceptor(s.stream)}, nil
}

func (o Options) validate() error {
	if err := fence.ValidateResource(o.Resource); err != nil {
		return err
	}
	if len(o.Elections) == 0 {
		return fmt.Errorf("%w: resource %q: Elections: empty", fence.ErrInvalid, o.Resource)
	}
	for _, name := range o.Elections {
		if err := fence.Validate(fence.NewTerm(name, 1)); err != nil {
			return fmt.Errorf("resource %q: Elections: %w", o.Resource, err)
		}
	}
	for _, method := range o.Unfenced {
		if service := serviceOf(method); len(service) < len("/s/") || service[0] != '/' {
			return fmt.Errorf("%w: resource %q: Unfenced: %q: must be /service/ or /service/method", fence.ErrInvalid, o.Resource, method)
		}
	}
	return nil
}

// serviceOf returns the part of a full method's name that ends with the last slash.
func serviceOf(method string) string { return method[:strings.LastIndexByte(method, '/')+1] }

type server struct{ Options }

func (s *server) fenced(method string) bool {
	return !slices.Contains(s.Unfenced, method) && !slices.Contains(s.Unfenced, serviceOf(method))
}

func (s *server) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (reply any, err error) {
	if !s.fenced(info.FullMethod) {
		return handle(ctx, req)
	}
	err = s.do(ctx, func(ctx context.Context) (err error) {
		reply, err = handle(ctx, req)
		return err
	})
	return reply, err
}

func (s *server) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	if !s.fenced(info.FullMethod) {
		return handle(srv, ss)
	}
	return s.do(ss.Context(), func(ctx context.Context) error {
		return handle(srv, &interruptible{ss, ctx})
	})
}

// do runs a call's handler under the gate.
func (s *server) do(ctx context.Context, handle func(context.Context) error) error {
	term, err := s.term(ctx)
	if err != nil {
		return malformed(err)
	}
	entered := false
	err = s.Gate.Do(ctx, s.Resource, term, func(ctx context.Context) error {
		entered = true
		return explain(ctx, handle(fence.WithTerm(ctx, term)))
	})
	if stale, ok := errors.AsType[*fence.StaleError](err); ok {
		return refuse(stale)
	}
	if err != nil && !entered {
		return gaveUp(ctx, err)
	}
	return err
}

// errForbidden is for an election that has no business here.
var errForbidden = errors.New("election may not use this resource")

func (s *server) term(ctx context.Context) (fence.Term, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	election, err := single(md, fence.ElectionHeader)
	if err != nil {
		return nil, err
	}
	token, err := single(md, fence.TokenHeader)
	if err != nil {
		return nil, err
	}
	term, err := fence.ParseTerm(election, token)
	if err == nil && !slices.Contains(s.Elections, term.Election()) {
		err = fmt.Errorf("resource %q, election %q: %w", s.Resource, term.Election(), errForbidden)
	}
	return term, err
}

// single refuses several values: a proxy and we might choose different ones.
func single(md metadata.MD, name string) (string, error) {
	switch values := md.Get(name); len(values) {
	case 0:
		return "", nil
	case 1:
		return values[0], nil
	default:
		return "", fmt.Errorf("%w: %d values of %s", fence.ErrInvalid, len(values), strings.ToLower(name))
	}
}
