package grpcsingleton

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/fence"
)

var errStopping = errors.New("the server stops")

// A serving is one term's server.
type serving struct {
	term    singleton.Term
	leading context.Context //nolint:containedctx // of the runner: when it ends no new call is run
	work    context.Context //nolint:containedctx // of the calls
	abort   context.CancelCauseFunc
	server  *grpc.Server
	health  *health.Server
	over    chan struct{} // closed when the server has ended, with err
	err     error
	watch   sync.WaitGroup
	asking  sync.Mutex // held while the store is asked
}

func newServing(ctx context.Context, s *Service, l net.Listener) *serving {
	term, _ := singleton.TermFrom(ctx)
	v := &serving{term: term, leading: ctx, over: make(chan struct{}), health: health.NewServer()}
	v.work, v.abort = context.WithCancelCause(context.WithoutCancel(ctx))
	v.server = grpc.NewServer(append([]grpc.ServerOption{
		grpc.WaitForHandlers(true), // leadership is not given up before they have returned
		grpc.ChainUnaryInterceptor(v.unary),
		grpc.ChainStreamInterceptor(v.stream),
	}, s.options.Options...)...)
	s.register(v.server)
	if _, theirs := v.server.GetServiceInfo()[healthpb.Health_ServiceDesc.ServiceName]; !theirs {
		healthpb.RegisterHealthServer(v.server, v.health)
	}
	v.watch.Go(v.endWithTerm)
	v.watch.Go(func() {
		defer close(v.over)
		v.err = v.server.Serve(l)
	})
	return v
}

// endWithTerm ends everything as soon as leadership is lost.
func (v *serving) endWithTerm() {
	select {
	case <-v.term.Lost():
		v.abort(v.term.Err())
		v.server.Stop()
	case <-v.work.Done():
	}
}

// stop ends the server, and returns when all handlers have returned. Calls under way may go on until ctx ends.
func (v *serving) stop(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		v.abort(context.Cause(ctx))
		v.server.Stop()
	})
	defer stop()
	v.health.Shutdown()
	v.server.GracefulStop()
	err := ctx.Err()
	v.abort(errStopping)
	v.watch.Wait()
	return err
}

// unary runs a call under the term, or refuses it.
func (v *serving) unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	if err := v.admit(ctx); err != nil {
		return nil, refusal(errors.Join(err, grpc.SetTrailer(ctx, notRun)))
	}
	if err := grpc.SetHeader(ctx, v.header()); err != nil {
		return nil, err
	}
	ctx, cancel := v.under(ctx)
	defer cancel()
	return v.judged(handle(ctx, req))
}

// stream runs a stream under the term, or refuses it.
func (v *serving) stream(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	if err := v.admit(ss.Context()); err != nil {
		ss.SetTrailer(notRun)
		return refusal(err)
	}
	if err := ss.SetHeader(v.header()); err != nil {
		return err
	}
	ctx, cancel := v.under(ss.Context())
	defer cancel()
	_, err := v.judged(nil, handle(srv, &stream{ss, ctx}))
	return err
}

// judged lets no answer pass as a success that was cut short by the loss of leadership.
func (v *serving) judged(reply any, err error) (any, error) {
	if lost := v.term.Err(); lost != nil && v.work.Err() != nil {
		return nil, status.Error(codes.Aborted, lost.Error())
	}
	return reply, err
}

// A stream has the context of the term.
type stream struct {
	grpc.ServerStream
	ctx context.Context //nolint:containedctx // the stream's own
}

func (s *stream) Context() context.Context { return s.ctx }

// admit says why a call is not to be run.
func (v *serving) admit(ctx context.Context) error {
	if v.leading.Err() != nil {
		return errStopping
	}
	if err := v.term.Check(); err != nil {
		return err
	}
	err := fence.Meant(v.term, last(ctx, targetKey))
	if errors.Is(err, fence.ErrStale) {
		v.doubt()
	}
	return err
}

// Metadata has its names in lower case, and finds them faster that way.
var targetKey = strings.ToLower(fence.TargetHeader)

// last returns a value that a call has brought along, the one that was added last.
func last(ctx context.Context, key string) string {
	if values := metadata.ValueFromIncomingContext(ctx, key); len(values) > 0 {
		return values[len(values)-1]
	}
	return ""
}

// doubt asks the store whether the term is held still. Whoever sends calls can make it ask, one question at a time.
func (v *serving) doubt() {
	if !v.asking.TryLock() {
		return
	}
	v.watch.Go(func() {
		defer v.asking.Unlock()
		_ = v.term.Confirm(v.work) // whose outcome ends the term, if it has to end
	})
}

func (v *serving) header() metadata.MD {
	return metadata.Pairs(fence.ElectionHeader, v.term.Election(), fence.TokenHeader, fence.FormatToken(v.term.Token()))
}

// notRun tells clients that a call surely was not run.
var notRun = metadata.Pairs(fence.RefusedHeader, "not leading")

func refusal(reason error) error { return status.Error(codes.Unavailable, "not run: "+reason.Error()) }

// under returns a call's context under the term: it has the values of both, and ends with whichever ends first. Where the term was
// lost, that is the cause, also if the end of the call was told first.
func (v *serving) under(call context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(valuesOf{context.WithoutCancel(call), v.work})
	timed, stopTimer := ctx, context.CancelFunc(func() {})
	if at, ok := call.Deadline(); ok {
		timed, stopTimer = context.WithDeadline(ctx, at)
	}
	stopCall := context.AfterFunc(call, func() {
		if !errors.Is(call.Err(), context.DeadlineExceeded) { // which timed finds out by itself
			cancel(v.cause(call))
		}
	})
	stopWork := context.AfterFunc(v.work, func() { cancel(v.cause(v.work)) })
	return timed, func() {
		stopCall()
		stopWork()
		stopTimer()
		cancel(nil)
	}
}

// cause says why a call ends.
func (v *serving) cause(ended context.Context) error {
	if lost := v.term.Err(); lost != nil {
		return lost
	}
	return context.Cause(ended)
}

// valuesOf is a call's context with the values of the runner's beside its own.
type valuesOf struct {
	context.Context                 //nolint:containedctx // it is one
	runner          context.Context //nolint:containedctx // for its values
}

func (c valuesOf) Value(key any) any {
	if v := c.Context.Value(key); v != nil {
		return v
	}
	return c.runner.Value(key)
}
