package grpcfence_test

import (
	"context"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/singleton-go/singleton/fence"
	"github.com/singleton-go/singleton/fence/grpcfence"
)

const (
	election = "worker/data-sync"
	say      = "/test.Ledger/Say"
	chat     = "/test.Ledger/Chat"

	patience = 30 * time.Second // for what no test should ever wait for
)

func term(token uint64) fence.Term { return fence.NewTerm(election, token) }

// A ledger is a service with one unary method and one stream, as generated code would describe it.
type ledger struct {
	say  func(ctx context.Context, text string) (string, error)
	chat func(s grpc.ServerStream) error
}

func (l ledger) register(s *grpc.Server) {
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: "test.Ledger",
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Say", Handler: func(_ any, ctx context.Context, decode func(any) error,
			intercept grpc.UnaryServerInterceptor,
		) (any, error) {
			in := &wrapperspb.StringValue{}
			if err := decode(in); err != nil {
				return nil, err
			}
			handle := func(ctx context.Context, in any) (any, error) {
				text, err := l.say(ctx, in.(*wrapperspb.StringValue).GetValue())
				return wrapperspb.String(text), err
			}
			if intercept == nil {
				return handle(ctx, in)
			}
			return intercept(ctx, in, &grpc.UnaryServerInfo{FullMethod: say}, handle)
		}}},
		Streams: []grpc.StreamDesc{{StreamName: "Chat", ServerStreams: true, ClientStreams: true, Handler: func(_ any,
			s grpc.ServerStream,
		) error {
			return l.chat(s)
		}}},
	}, nil)
}

// A server is a running one, on a network in memory.
type server struct{ listener *bufconn.Listener }

// serve starts a fenced server for two elections.
func serve(t *testing.T, gate *fence.Gate, l ledger) *server {
	t.Helper()
	o, err := grpcfence.ServerOptions(grpcfence.Options{
		Resource: "ledger", Elections: []string{election, "worker/other"}, Gate: gate,
	})
	if err != nil {
		t.Fatal(err)
	}
	return serveWith(t, l, o...)
}

func serveWith(t *testing.T, l ledger, o ...grpc.ServerOption) *server {
	t.Helper()
	s := grpc.NewServer(append(o, grpc.WaitForHandlers(true))...)
	l.register(s)
	listener := bufconn.Listen(1 << 16)
	served := make(chan error, 1)
	go func() { served <- s.Serve(listener) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return &server{listener}
}

// dial returns a connection with these options, each with a transport of its own: a stopped client's transport serves nobody.
func (s *server) dial(t *testing.T, o ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	cc, err := grpc.NewClient("passthrough:///ledger", append(o,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return s.listener.DialContext(ctx) }),
	)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	return cc
}

// as returns a connection that sends one term.
func (s *server) as(t *testing.T, term fence.Term) *grpc.ClientConn {
	t.Helper()
	return s.dial(t, grpcfence.DialOptions(fence.Always(term))...)
}

func call(ctx context.Context, cc *grpc.ClientConn, text string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	out := &wrapperspb.StringValue{}
	err := cc.Invoke(ctx, say, wrapperspb.String(text), out)
	return out.GetValue(), err
}

// open begins a stream.
func open(ctx context.Context, t *testing.T, cc *grpc.ClientConn) grpc.ClientStream {
	t.Helper()
	s, err := cc.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, chat)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// talk sends a text over a new stream and returns the answer.
func talk(ctx context.Context, t *testing.T, cc *grpc.ClientConn, text string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s := open(ctx, t, cc)
	_ = s.SendMsg(wrapperspb.String(text)) // what went wrong is for RecvMsg to say
	_ = s.CloseSend()
	out := &wrapperspb.StringValue{}
	err := s.RecvMsg(out)
	return out.GetValue(), err
}

// echo answers each message, in a stream too.
func echo(f func(ctx context.Context, text string) (string, error)) ledger {
	return ledger{say: f, chat: func(s grpc.ServerStream) error {
		in := &wrapperspb.StringValue{}
		if err := s.RecvMsg(in); err != nil {
			return err
		}
		text, err := f(s.Context(), in.GetValue())
		if err != nil {
			return err
		}
		return s.SendMsg(wrapperspb.String(text))
	}}
}
