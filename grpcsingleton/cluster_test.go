package grpcsingleton_test

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/engine/enginetest"
	"github.com/singleton-go/singleton/engine/ramengine"
	"github.com/singleton-go/singleton/grpcsingleton"
)

// What no test should ever wait for.
const patience = 30 * time.Second

// A handler answers a text with a text.
type handler func(ctx context.Context, text string) (string, error)

// echo is a service with one unary method and one stream, as generated code would describe it.
func echo(h handler) func(*grpc.Server) {
	return func(s *grpc.Server) {
		s.RegisterService(&grpc.ServiceDesc{
			ServiceName: "test.Echo",
			HandlerType: (*any)(nil),
			Methods: []grpc.MethodDesc{{MethodName: "Say", Handler: func(_ any, ctx context.Context, decode func(any) error,
				intercept grpc.UnaryServerInterceptor,
			) (any, error) {
				in := &wrapperspb.StringValue{}
				if err := decode(in); err != nil {
					return nil, err
				}
				return intercept(ctx, in, &grpc.UnaryServerInfo{FullMethod: say}, func(ctx context.Context, in any) (any, error) {
					text, err := h(ctx, in.(*wrapperspb.StringValue).GetValue())
					return wrapperspb.String(text), err
				})
			}}},
			Streams: []grpc.StreamDesc{{StreamName: "Chat", ServerStreams: true, ClientStreams: true, Handler: func(_ any,
				s grpc.ServerStream,
			) error {
				for {
					in := &wrapperspb.StringValue{}
					if err := s.RecvMsg(in); err != nil {
						return err
					}
					text, err := h(s.Context(), in.GetValue())
					if err != nil {
						return err
					}
					if err := s.SendMsg(wrapperspb.String(text)); err != nil {
						return err
					}
				}
			}}},
		}, nil)
	}
}

const say, chat = "/test.Echo/Say", "/test.Echo/Chat"

// A process serves "ledger" when it leads.
type process struct {
	t    *testing.T
	conn *enginetest.Faulty
	rt   *singleton.Runtime
	stop func()
}

// named answers with a name and what was sent.
func named(name string) handler {
	return func(_ context.Context, text string) (string, error) { return name + " " + text, nil }
}

func join(t *testing.T, store *ramengine.Engine, name string, h handler) *process {
	t.Helper()
	return joinFor(t, store, name, 2*time.Second, grpcsingleton.Server("127.0.0.1:0", echo(h), grpcsingleton.ServerOptions{}))
}

// joinFor starts a process with this TTL.
func joinFor(t *testing.T, store *ramengine.Engine, name string, ttl time.Duration, s *grpcsingleton.Service) *process {
	t.Helper()
	p := &process{t: t, conn: enginetest.NewFaulty(store.Connect())}
	rt, err := singleton.New(p.conn, singleton.Config{
		Prefix: "/t", Node: name, Timing: discovery.Timing{TTL: ttl}, Grace: patience,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)).With("node", name),
	})
	if err != nil {
		t.Fatal(err)
	}
	p.rt = rt
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := rt.Run(ctx, singleton.Service("ledger", s)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	})
	p.stop = func() { cancel(); wg.Wait() }
	t.Cleanup(func() { p.stop(); p.conn.Close() })
	return p
}

func (p *process) awaitState(want singleton.State) {
	p.t.Helper()
	await(p.t, want.String(), func() bool {
		s := p.rt.Status()
		return len(s) == 1 && s[0].State == want
	})
}

// awaitQueued waits until the process stands in the queue.
func (p *process) awaitQueued() {
	p.t.Helper()
	await(p.t, "a place in the queue", func() bool {
		d := p.rt.Discovery()
		if d == nil {
			return false
		}
		c, err := d.Cluster(p.t.Context())
		e, _ := c.Election("service/ledger")
		stands := func(x discovery.Candidate) bool { return x.NodeID == d.NodeID() }
		return err == nil && (stands(e.Leader) || slices.ContainsFunc(e.Waiting, stands))
	})
}

// await waits until ok, whose change nothing announces.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// observe joins as a client that registers nothing.
func observe(t *testing.T, store *ramengine.Engine) *discovery.Discovery {
	t.Helper()
	d, err := discovery.Open(store.Connect(), discovery.Config{Prefix: "/t", Observer: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return d
}

func dial(t *testing.T, d *discovery.Discovery) *grpc.ClientConn {
	t.Helper()
	cc, err := grpcsingleton.NewClient(d, "ledger", grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	return cc
}

// call returns the answer, and the token of the term that gave it.
func call(t *testing.T, cc *grpc.ClientConn, text string, o ...grpc.CallOption) (string, uint64, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var header metadata.MD
	out := &wrapperspb.StringValue{}
	err := cc.Invoke(ctx, say, wrapperspb.String(text), out, append(o, grpc.Header(&header))...)
	return out.GetValue(), grpcsingleton.Answered(header), err
}
