package grpcfence

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/singleton-go/singleton/fence"
)

// DialOptions returns what makes a client send the sender's term with every call. The source finds it by the call's
// context; nil means [fence.TermFrom]. A runner's client uses fence.From(singleton.TermFrom), and fence.Always names one term.
//
// A call without a term, or with one that no resource could accept, is not sent at all: the error is [fence.ErrNoTerm] or
// [fence.ErrInvalid]. What is to be called without a term needs a connection of its own. Metadata of the same names are
// replaced.
//
// The error of a call that was refused is a [*fence.StaleError] and has its status too.
func DialOptions(source fence.Source) []grpc.DialOption {
	c := client{source}
	return []grpc.DialOption{grpc.WithChainUnaryInterceptor(c.unary), grpc.WithChainStreamInterceptor(c.stream)}
}

type client struct{ source fence.Source }

func (c client) unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker,
	o ...grpc.CallOption,
) error {
	ctx, err := c.with(ctx)
	if err != nil {
		return err
	}
	return refused(invoke(ctx, method, req, reply, cc, o...))
}

func (c client) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer,
	o ...grpc.CallOption,
) (grpc.ClientStream, error) {
	ctx, err := c.with(ctx)
	if err != nil {
		return nil, err
	}
	s, err := open(ctx, desc, cc, method, o...)
	if err != nil {
		return nil, refused(err)
	}
	return clientStream{s}, nil
}

// with puts the term into a call's metadata.
func (c client) with(ctx context.Context) (context.Context, error) {
	term, err := c.source.Term(ctx)
	if err != nil {
		return nil, fmt.Errorf("fenced call: %w", err)
	}
	md, _ := metadata.FromOutgoingContext(ctx) // a copy
	if md == nil {
		md = metadata.MD{}
	}
	md.Set(fence.ElectionHeader, term.Election())
	md.Set(fence.TokenHeader, fence.FormatToken(term.Token()))
	return metadata.NewOutgoingContext(ctx, md), nil
}

// A clientStream tells of a refusal where gRPC tells how a stream ended.
type clientStream struct{ grpc.ClientStream }

func (s clientStream) RecvMsg(m any) error { return refused(s.ClientStream.RecvMsg(m)) }
