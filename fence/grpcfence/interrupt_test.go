package grpcfence_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/singleton-go/singleton/fence"
	"github.com/singleton-go/singleton/fence/grpcfence"
)

// The old leader is stopped in the middle of a call. Its successor must not wait for it, and it learns why when it goes on.
func TestAStoppedClientDoesNotHoldUpTheNextTerm(t *testing.T) {
	t.Parallel()
	for name, wait := range map[string]func(s grpc.ServerStream) error{
		"receiving": func(s grpc.ServerStream) error { return s.RecvMsg(&wrapperspb.StringValue{}) },
		"sending": func(s grpc.ServerStream) error {
			for {
				if err := s.SendMsg(wrapperspb.Bytes(make([]byte, 1<<16))); err != nil {
					return err
				}
			}
		},
		"sending after it": func(s grpc.ServerStream) error {
			<-s.Context().Done()
			return s.SendMsg(wrapperspb.String("too late"))
		},
		"waiting for its context": func(s grpc.ServerStream) error {
			<-s.Context().Done()
			return s.Context().Err()
		},
		"waiting, and says so as gRPC does": func(s grpc.ServerStream) error {
			<-s.Context().Done()
			return status.FromContextError(s.Context().Err()).Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begun, ended := make(chan struct{}), make(chan error, 1)
			server := serve(t, nil, ledger{
				say: func(context.Context, string) (string, error) { return "", nil },
				chat: func(s grpc.ServerStream) error {
					close(begun)
					err := wait(s)
					ended <- err
					return err
				},
			})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			old := open(ctx, t, server.as(t, term(7)))
			<-begun
			if _, err := call(t.Context(), server.as(t, term(9)), ""); err != nil {
				t.Fatalf("newer term: %v", err)
			}
			select {
			case err := <-ended:
				if err == nil {
					t.Error("the old term's handler ended without an error")
				}
			default:
				t.Error("the newer term was handled before the old one's handler returned")
			}
			var err error
			for err == nil { // behind what was sent before
				err = old.RecvMsg(&wrapperspb.BytesValue{})
			}
			if stale, ok := errors.AsType[*fence.StaleError](err); !ok || stale.Token != 7 || stale.Newest != 9 {
				t.Errorf("what the old client learns: %v", err)
			}
		})
	}
}

func TestAnInterruptedUnaryCall(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer func(ctx context.Context) error
		stale  bool
		code   codes.Code
	}{
		"its context's error": {func(ctx context.Context) error { return ctx.Err() }, true, codes.FailedPrecondition},
		"the cause":           {context.Cause, true, codes.FailedPrecondition},
		"something else":      {func(context.Context) error { return status.Error(codes.DataLoss, "") }, false, codes.DataLoss},
		"done nevertheless":   {func(context.Context) error { return nil }, false, codes.OK},
	} {
		begun := make(chan struct{})
		server := serve(t, nil, ledger{say: func(ctx context.Context, text string) (string, error) {
			if text == "newer" {
				return "", nil
			}
			close(begun)
			<-ctx.Done()
			return "", c.answer(ctx)
		}})
		old := server.as(t, term(7))
		var all sync.WaitGroup
		all.Go(func() {
			_, err := call(t.Context(), old, "older")
			if errors.Is(err, fence.ErrStale) != c.stale || status.Code(err) != c.code {
				t.Errorf("%s: %v", name, err)
			}
		})
		<-begun
		if _, err := call(t.Context(), server.as(t, term(9)), "newer"); err != nil {
			t.Errorf("%s: newer: %v", name, err)
		}
		all.Wait()
	}
}

// A call that ends before the gate lets it in is told so, and nothing else.
func TestAWaitEndsWithTheCall(t *testing.T) {
	t.Parallel()
	o, err := grpcfence.ServerOptions(grpcfence.Options{Resource: "ledger", Elections: []string{election}})
	if err != nil {
		t.Fatal(err)
	}
	closing := errors.New("closing time")
	inFront := func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		ctx, cancel := context.WithCancelCause(ctx)
		cancel(closing)
		return handle(ctx, req)
	}
	server := serveWith(t, ledger{say: func(context.Context, string) (string, error) {
		t.Error("handled")
		return "", nil
	}}, append([]grpc.ServerOption{grpc.ChainUnaryInterceptor(inFront)}, o...)...)
	_, err = call(t.Context(), server.as(t, term(7)), "")
	if status.Code(err) != codes.Canceled || !strings.Contains(err.Error(), closing.Error()) || errors.Is(err, fence.ErrStale) {
		t.Errorf("%v", err)
	}
}

// counting counts what is done with a stream.
type counting struct {
	grpc.ServerStream
	calls *atomic.Int64
}

func (c counting) RecvMsg(m any) error { c.calls.Add(1); return c.ServerStream.RecvMsg(m) }
func (c counting) SendMsg(m any) error { c.calls.Add(1); return c.ServerStream.SendMsg(m) }

// gRPC allows one receiver and one sender at a time, and those that were interrupted are still there.
func TestAnInterruptedStreamIsLeftAlone(t *testing.T) {
	t.Parallel()
	o, err := grpcfence.ServerOptions(grpcfence.Options{Resource: "ledger", Elections: []string{election}})
	if err != nil {
		t.Fatal(err)
	}
	var calls atomic.Int64
	inFront := func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
		return handle(srv, counting{ss, &calls})
	}
	begun := make(chan struct{})
	server := serveWith(t, ledger{
		say: func(context.Context, string) (string, error) { return "", nil },
		chat: func(s grpc.ServerStream) error {
			close(begun)
			m := &wrapperspb.StringValue{}
			for range 100 {
				if s.RecvMsg(m) == nil || s.SendMsg(m) == nil {
					t.Error("an interrupted stream works")
				}
			}
			return s.Context().Err()
		},
	}, append([]grpc.ServerOption{grpc.ChainStreamInterceptor(inFront)}, o...)...)
	old := open(t.Context(), t, server.as(t, term(7)))
	<-begun
	if _, err := call(t.Context(), server.as(t, term(9)), ""); err != nil {
		t.Fatal(err)
	}
	if err := old.RecvMsg(&wrapperspb.StringValue{}); !errors.Is(err, fence.ErrStale) {
		t.Errorf("%v", err)
	}
	if n := calls.Load(); n > 1 {
		t.Errorf("%d calls, one of them before the interruption", n)
	}
}

// The client of a stream goes away: that is no newer term.
func TestAClientThatGoesAway(t *testing.T) {
	t.Parallel()
	begun, ended := make(chan struct{}), make(chan error)
	server := serve(t, nil, ledger{chat: func(s grpc.ServerStream) error {
		close(begun)
		err := s.RecvMsg(&wrapperspb.StringValue{})
		ended <- errors.Join(err, s.SendMsg(&wrapperspb.StringValue{}))
		return err
	}})
	ctx, cancel := context.WithCancel(t.Context())
	open(ctx, t, server.as(t, term(7)))
	<-begun
	cancel()
	if err := <-ended; status.Code(err) != codes.Canceled || errors.Is(err, fence.ErrStale) {
		t.Errorf("%v: %v", status.Code(err), err)
	}
}
