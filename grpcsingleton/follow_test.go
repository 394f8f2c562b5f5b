package grpcsingleton_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/ramengine"
	"github.com/singleton-go/singleton/fence"
	"github.com/singleton-go/singleton/grpcsingleton"
)

func TestCallsFollowTheServiceAndNoneThatWaitsFailsInAPlannedHandOver(t *testing.T) {
	t.Parallel()
	store := ramengine.New()
	names := []string{"a", "b", "c"}
	var all []*process
	for i, name := range names {
		all = append(all, join(t, store, name, named(name)))
		all[i].awaitQueued()
	}
	cc := dial(t, observe(t, store))
	stop := make(chan struct{})
	var load sync.WaitGroup
	for range 8 {
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, _, err := call(t, cc, "hello", grpc.WaitForReady(true)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	var last uint64
	for i := range all {
		all[i].awaitState(singleton.Ready)
		await(t, "an answer of "+names[i], func() bool {
			text, token, err := call(t, cc, "x", grpc.WaitForReady(true))
			if token < last {
				t.Errorf("an answer of term %d after one of %d", token, last)
			}
			last = token
			return err == nil && text == names[i]+" x"
		})
		if i < len(all)-1 {
			all[i].stop()
		}
	}
	close(stop)
	load.Wait()
}

func TestWhileNobodyServesCallsFailAtOnceUnlessTheyWait(t *testing.T) {
	t.Parallel()
	store := ramengine.New()
	cc := dial(t, observe(t, store))
	if _, _, err := call(t, cc, "x"); status.Code(err) != codes.Unavailable {
		t.Errorf("error %v, want Unavailable", err)
	}
	answer := make(chan string)
	go func() {
		text, _, err := call(t, cc, "x", grpc.WaitForReady(true))
		if err != nil {
			t.Error(err)
		}
		answer <- text
	}()
	join(t, store, "a", named("a"))
	if text := <-answer; text != "a x" {
		t.Errorf("answer %q", text)
	}
}

// TestANewTermAtTheSameAddressIsConnectedAnew: clients that told terms apart by their addresses alone were left waiting.
func TestANewTermAtTheSameAddressIsConnectedAnew(t *testing.T) {
	t.Parallel()
	store := ramengine.New()
	a := join(t, store, "a", named("a"))
	a.awaitState(singleton.Ready)
	target := firstTarget(t, store)
	a.stop()
	cc := dial(t, observe(t, store))
	b := joinFor(t, store, "b", 2*time.Second,
		grpcsingleton.Server(target, echo(named("b")), grpcsingleton.ServerOptions{}))
	b.awaitState(singleton.Ready)
	for range 3 {
		text, token, err := call(t, cc, "x", grpc.WaitForReady(true))
		if err != nil || text != "b x" {
			t.Errorf("%q, %v", text, err)
		}
		if err := b.rt.Discovery().Resign(t.Context(), "service/ledger"); err != nil {
			t.Fatal(err)
		}
		await(t, "the next term", func() bool {
			_, next, err := call(t, cc, "x", grpc.WaitForReady(true))
			return err == nil && next > token
		})
	}
}

func firstTarget(t *testing.T, store *ramengine.Engine) string {
	t.Helper()
	for target, err := range observe(t, store).Follow(t.Context(), "ledger") {
		if err != nil {
			t.Fatal(err)
		}
		if len(target.Endpoints) > 0 {
			return target.Endpoints[0].Address
		}
	}
	t.Fatal("not published")
	return ""
}

func TestHandlersHaveTheTermAndAnswersNameIt(t *testing.T) {
	t.Parallel()
	store := ramengine.New()
	join(t, store, "a", func(ctx context.Context, _ string) (string, error) {
		term, _ := singleton.TermFrom(ctx)
		return fence.FormatToken(term.Token()), nil
	})
	text, token, err := call(t, dial(t, observe(t, store)), "x", grpc.WaitForReady(true))
	if err != nil || text != fence.FormatToken(token) || token == 0 {
		t.Errorf("handler %s, header %d, %v", text, token, err)
	}
}

// raw dials the address, past all following.
func raw(t *testing.T, address string) *grpc.ClientConn {
	t.Helper()
	cc, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	return cc
}

func TestCallsForAnotherTermOrServiceAreRefused(t *testing.T) {
	t.Parallel()
	store := ramengine.New()
	join(t, store, "a", named("a"))
	cc := raw(t, firstTarget(t, store))
	_, token, err := call(t, cc, "x")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		target string
		want   codes.Code
	}{
		"this term":       {fence.FormatTarget("service/ledger", token), codes.OK},
		"an older term":   {"service/ledger 1", codes.OK},
		"a newer term":    {fence.FormatTarget("service/ledger", token+1), codes.Unavailable},
		"another service": {fence.FormatTarget("service/other", token), codes.Unavailable},
		"no number":       {"service/ledger x", codes.Unavailable},
	} {
		ctx := metadata.AppendToOutgoingContext(t.Context(), fence.TargetHeader, c.target)
		var trailer metadata.MD
		err := cc.Invoke(ctx, say, wrapperspb.String("x"), &wrapperspb.StringValue{}, grpc.Trailer(&trailer))
		if status.Code(err) != c.want || (len(trailer.Get(fence.RefusedHeader)) > 0) != (c.want != codes.OK) {
			t.Errorf("%s: %v, trailer %v", name, err, trailer)
		}
		s, err := cc.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, chat)
		if err != nil {
			t.Fatal(err)
		}
		_ = s.SendMsg(wrapperspb.String("x"))
		if err := s.RecvMsg(&wrapperspb.StringValue{}); status.Code(err) != c.want {
			t.Errorf("%s: stream: %v", name, err)
		}
	}
}

func TestACallForANewerTermMakesTheServerAskTheStore(t *testing.T) {
	t.Parallel()
	store := ramengine.New()
	a := joinFor(t, store, "a", time.Hour,
		grpcsingleton.Server("127.0.0.1:0", echo(named("a")), grpcsingleton.ServerOptions{}))
	cc := raw(t, firstTarget(t, store))
	_, token, err := call(t, cc, "x")
	if err != nil {
		t.Fatal(err)
	}
	c, err := a.rt.Discovery().Cluster(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	heal := a.conn.Stall() // so that the process doesn't see that its session ends
	if err := engine.End(t.Context(), store, c.Nodes[0].Session); err != nil {
		t.Fatal(err)
	}
	ctx := metadata.AppendToOutgoingContext(t.Context(), fence.TargetHeader, fence.FormatTarget("service/ledger", token+1))
	if err := cc.Invoke(ctx, say, wrapperspb.String("x"), &wrapperspb.StringValue{}); status.Code(err) != codes.Unavailable {
		t.Error(err)
	}
	a.awaitState(singleton.Pending) // long before the next renewal
	heal()
}

// slow answers when it is let go, or its context ends.
type slow struct {
	entered chan struct{}
	leave   chan struct{}
	cause   chan error
}

func newSlow() *slow {
	return &slow{make(chan struct{}, many), make(chan struct{}), make(chan error, many)}
}

// many calls under way show what a single one shows now and then.
const many = 50

func (s *slow) handle(ctx context.Context, _ string) (string, error) {
	s.entered <- struct{}{}
	select {
	case <-s.leave:
	case <-ctx.Done():
		s.cause <- context.Cause(ctx)
	}
	return "done", nil
}

func TestAPlannedStopLetsCallsUnderWayEnd(t *testing.T) {
	t.Parallel()
	store, h := ramengine.New(), newSlow()
	a := join(t, store, "a", h.handle)
	cc := dial(t, observe(t, store))
	answers := make(chan string, 2)
	say := func(text string) {
		text, _, err := call(t, cc, text, grpc.WaitForReady(true))
		if err != nil {
			t.Error(err)
		}
		answers <- text
	}
	go say("x")
	<-h.entered
	b := join(t, store, "b", named("b"))
	b.awaitQueued()
	stopped := make(chan struct{})
	go func() { defer close(stopped); a.stop() }()
	a.awaitState(singleton.Stopping)
	go say("y")
	b.awaitState(singleton.Pending) // the first call is under way, so it leads still
	close(h.leave)
	for range 2 {
		if text := <-answers; text != "done" && text != "b y" {
			t.Errorf("answer %q", text)
		}
	}
	<-stopped
}

func TestTheLossOfLeadershipEndsCallsUnderWay(t *testing.T) {
	t.Parallel()
	store, h := ramengine.New(), newSlow()
	a := join(t, store, "a", h.handle)
	cc := dial(t, observe(t, store))
	failed := make(chan error, many)
	for range many {
		go func() {
			_, _, err := call(t, cc, "x", grpc.WaitForReady(true))
			failed <- err
		}()
	}
	for range many {
		<-h.entered
	}
	heal := a.conn.Cut()
	for range many {
		if err := <-h.cause; !errors.Is(err, singleton.ErrLost) {
			t.Errorf("cause %v, want %v", err, singleton.ErrLost)
		}
		if err := <-failed; err == nil {
			t.Error("an answer came after the loss")
		}
	}
	heal()
}

func TestABadServerOrTargetIsRefused(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*grpcsingleton.Service{
		"address":   grpcsingleton.Server("nowhere", echo(named("")), grpcsingleton.ServerOptions{}),
		"advertise": grpcsingleton.Server(":0", echo(named("")), grpcsingleton.ServerOptions{Advertise: "here"}),
		"register":  grpcsingleton.Server(":0", nil, grpcsingleton.ServerOptions{}),
		"weight":    grpcsingleton.Server(":0", echo(named("")), grpcsingleton.ServerOptions{Weight: -1}),
	} {
		if err := s.Check(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	d := observe(t, ramengine.New())
	o := append(grpcsingleton.DialOptions(d), grpc.WithTransportCredentials(insecure.NewCredentials()))
	for _, target := range []string{"singleton:///", "singleton://host/ledger"} {
		cc, err := grpc.NewClient(target, o...)
		if err != nil {
			continue
		}
		if _, _, err := call(t, cc, "x"); err == nil {
			t.Errorf("%s: no error", target)
		}
		_ = cc.Close()
	}
}
