package grpcfence

import (
	"context"
	"errors"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/singleton-go/singleton/fence"
)

// interruptible is a server's stream on which all waiting ends with the context that the gate has given.
type interruptible struct {
	grpc.ServerStream
	ctx context.Context //nolint:containedctx // the stream's own
}

func (s *interruptible) Context() context.Context { return s.ctx }

func (s *interruptible) RecvMsg(m any) error {
	return s.wait(func() error { return s.ServerStream.RecvMsg(m) })
}

func (s *interruptible) SendMsg(m any) error {
	return s.wait(func() error { return s.ServerStream.SendMsg(m) })
}

// wait does not wait for a call that it interrupts: only the server ends that, together with the stream, when the handler has
// returned. Until then no other call is made.
func (s *interruptible) wait(call func() error) error {
	if s.ctx.Err() != nil {
		return interruption(s.ctx)
	}
	done := make(chan error, 1)
	go func() { done <- call() }()
	select {
	case err := <-done:
		return err
	case <-s.ctx.Done():
		return interruption(s.ctx)
	}
}

// interruption is the cause where that is a newer term, and else what gRPC itself says of an ended context.
func interruption(ctx context.Context) error {
	if cause := context.Cause(ctx); errors.Is(cause, fence.ErrStale) {
		return cause
	}
	return status.FromContextError(ctx.Err()).Err()
}
