package grpcfence_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/singleton-go/singleton/fence"
	"github.com/singleton-go/singleton/fence/grpcfence"
)

// ways are the two kinds of calls; the rule is the same for both.
var ways = map[string]func(ctx context.Context, t *testing.T, cc *grpc.ClientConn, text string) (string, error){
	"unary": func(ctx context.Context, _ *testing.T, cc *grpc.ClientConn, text string) (string, error) {
		return call(ctx, cc, text)
	},
	"stream": talk,
}

func TestAnOlderTermIsRefused(t *testing.T) {
	t.Parallel()
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var gate fence.Gate
			var effects atomic.Int64
			server := serve(t, &gate, echo(func(ctx context.Context, text string) (string, error) {
				effects.Add(1)
				term, _ := fence.TermFrom(ctx)
				return text + " in term " + fence.FormatToken(term.Token()), nil
			}))
			for _, token := range []uint64{7, 9, 9} {
				text, err := way(t.Context(), t, server.as(t, term(token)), "hello")
				if want := "hello in term " + strconv.FormatUint(token, 10); err != nil || text != want {
					t.Errorf("%q, %v, want %q", text, err, want)
				}
			}
			_, err := way(t.Context(), t, server.as(t, term(7)), "hello")
			stale, ok := errors.AsType[*fence.StaleError](err)
			if want := (fence.StaleError{Resource: "ledger", Election: election, Token: 7, Newest: 9}); !ok || *stale != want {
				t.Errorf("token 7 after 9: %v", err)
			}
			text := status.Convert(err).Message()
			if status.Code(err) != codes.FailedPrecondition || !strings.Contains(text, "token 7") || !strings.Contains(text, "token 9") {
				t.Errorf("token 7 after 9: %v: %s", status.Code(err), text)
			}
			if _, err := way(t.Context(), t, server.as(t, fence.NewTerm("worker/other", 1)), ""); err != nil {
				t.Errorf("another election: %v", err)
			}
			_, err = way(t.Context(), t, server.as(t, fence.NewTerm("worker/foreign", 99)), "")
			if status.Code(err) != codes.PermissionDenied {
				t.Errorf("a foreign election: %v", err)
			}
			if n := effects.Load(); n != 4 {
				t.Errorf("%d effects, want 4", n)
			}
			err = gate.Reset(t.Context(), fence.Reset{
				Resource: "ledger", Election: election, Reason: "test", Logger: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := way(t.Context(), t, server.as(t, term(3)), ""); err != nil {
				t.Errorf("lower, after a reset: %v", err)
			}
		})
	}
}

// Clients of other languages have the status alone.
func TestTheStatusNamesBothTokens(t *testing.T) {
	t.Parallel()
	server := serve(t, nil, echo(func(context.Context, string) (string, error) { return "", nil }))
	if _, err := call(t.Context(), server.as(t, term(9)), ""); err != nil {
		t.Fatal(err)
	}
	ctx := metadata.AppendToOutgoingContext(t.Context(), fence.ElectionHeader, election, fence.TokenHeader, "7")
	_, err := call(ctx, server.dial(t), "")
	s := status.Convert(err)
	if s.Code() != codes.FailedPrecondition || len(s.Details()) != 1 {
		t.Fatalf("%v", err)
	}
	info, _ := s.Details()[0].(*errdetails.ErrorInfo)
	want := map[string]string{"resource": "ledger", "election": election, "token": "7", "newest": "9"}
	if info.GetReason() != grpcfence.Reason || info.GetDomain() != grpcfence.Domain || !maps.Equal(info.GetMetadata(), want) {
		t.Errorf("%v", info)
	}
}

func TestMissingAndMalformedTermsAreRefused(t *testing.T) {
	t.Parallel()
	server := serve(t, nil, echo(func(context.Context, string) (string, error) {
		t.Error("handled")
		return "", nil
	}))
	cc := server.dial(t)
	for name, c := range map[string]struct {
		metadata []string
		code     codes.Code
	}{
		"no term":        {nil, codes.InvalidArgument},
		"no token":       {[]string{fence.ElectionHeader, election}, codes.InvalidArgument},
		"no election":    {[]string{fence.TokenHeader, "7"}, codes.InvalidArgument},
		"token 0":        {[]string{fence.ElectionHeader, election, fence.TokenHeader, "0"}, codes.InvalidArgument},
		"negative":       {[]string{fence.ElectionHeader, election, fence.TokenHeader, "-7"}, codes.InvalidArgument},
		"beyond int64":   {[]string{fence.ElectionHeader, election, fence.TokenHeader, "9223372036854775808"}, codes.InvalidArgument},
		"two tokens":     {[]string{fence.ElectionHeader, election, fence.TokenHeader, "7", fence.TokenHeader, "9"}, codes.InvalidArgument},
		"tokens in one":  {[]string{fence.ElectionHeader, election, fence.TokenHeader, "7, 9"}, codes.InvalidArgument},
		"two elections":  {[]string{fence.ElectionHeader, election, fence.ElectionHeader, "x", fence.TokenHeader, "7"}, codes.InvalidArgument},
		"other election": {[]string{fence.ElectionHeader, "x", fence.TokenHeader, "9"}, codes.PermissionDenied},
	} {
		for way, try := range ways {
			_, err := try(metadata.AppendToOutgoingContext(t.Context(), c.metadata...), t, cc, "")
			if status.Code(err) != c.code || errors.Is(err, fence.ErrStale) {
				t.Errorf("%s, %s: %v", name, way, err)
			}
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	elections := []string{election}
	for name, o := range map[string]grpcfence.Options{
		"no resource":       {Elections: elections},
		"no elections":      {Resource: "ledger"},
		"an empty election": {Resource: "ledger", Elections: []string{election, ""}},
		"an empty method":   {Resource: "ledger", Elections: elections, Unfenced: []string{""}},
		"no service":        {Resource: "ledger", Elections: elections, Unfenced: []string{"/Balance"}},
		"no slash in front": {Resource: "ledger", Elections: elections, Unfenced: []string{"grpc.health.v1.Health/Check"}},
		"everything":        {Resource: "ledger", Elections: elections, Unfenced: []string{"/"}},
	} {
		if _, err := grpcfence.ServerOptions(o); !errors.Is(err, fence.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUnfencedMethodsNeedNoTerm(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		unfenced    []string
		open, stays string
	}{
		"a method":  {[]string{say}, "unary", "stream"},
		"a stream":  {[]string{chat, "/other.Service/"}, "stream", "unary"},
		"a service": {[]string{"/test.Ledger/"}, "unary", ""},
		"another":   {[]string{"/test.Ledge/", "/test.Ledger/S", "/test.Ledger/Say/"}, "", "unary"},
	} {
		o, err := grpcfence.ServerOptions(grpcfence.Options{
			Resource: "ledger", Elections: []string{election}, Unfenced: c.unfenced,
		})
		if err != nil {
			t.Fatal(err)
		}
		server := serveWith(t, echo(func(context.Context, string) (string, error) { return "", nil }), o...)
		if c.open != "" {
			if _, err := ways[c.open](t.Context(), t, server.dial(t), ""); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if c.stays != "" {
			if _, err := ways[c.stays](t.Context(), t, server.dial(t), ""); status.Code(err) != codes.InvalidArgument {
				t.Errorf("%s: %s: %v", name, c.stays, err)
			}
		}
	}
}

func TestClientSendsNothingWithoutATerm(t *testing.T) {
	t.Parallel()
	server := serveWith(t, echo(func(context.Context, string) (string, error) {
		t.Error("handled")
		return "", nil
	}))
	for name, c := range map[string]struct {
		source fence.Source
		want   error
	}{
		"no term":   {nil, fence.ErrNoTerm},
		"token 0":   {fence.Always(term(0)), fence.ErrInvalid},
		"too high":  {fence.Always(term(math.MaxUint64)), fence.ErrInvalid},
		"no answer": {fence.From(func(context.Context) (fence.Term, bool) { return nil, true }), fence.ErrNoTerm},
	} {
		cc := server.dial(t, grpcfence.DialOptions(c.source)...)
		if _, err := call(t.Context(), cc, ""); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := cc.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true}, chat); !errors.Is(err, c.want) {
			t.Errorf("%s: stream: %v", name, err)
		}
	}
}

func TestClientReplacesMetadataAndKeepsTheRest(t *testing.T) {
	t.Parallel()
	seen := make(chan metadata.MD, 1)
	server := serve(t, nil, echo(func(ctx context.Context, _ string) (string, error) {
		md, _ := metadata.FromIncomingContext(ctx)
		seen <- md
		return "", nil
	}))
	ctx := metadata.AppendToOutgoingContext(t.Context(), fence.TokenHeader, "forged", "mine", "kept")
	for name, way := range ways {
		if _, err := way(fence.WithTerm(ctx, term(7)), t, server.dial(t, grpcfence.DialOptions(nil)...), ""); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if md := <-seen; len(md.Get("mine")) != 1 || len(md.Get(fence.TokenHeader)) != 1 {
			t.Errorf("%s: %v", name, md)
		}
	}
	if md, _ := metadata.FromOutgoingContext(ctx); md.Get(fence.TokenHeader)[0] != "forged" {
		t.Errorf("the caller's context was changed: %v", md)
	}
}

// What the handler's database refuses, and its other errors.
func TestAHandlersOwnErrors(t *testing.T) {
	t.Parallel()
	own := &fence.StaleError{Resource: "invoices", Election: election, Token: 7, Newest: 12}
	var answer atomic.Value
	server := serve(t, nil, echo(func(context.Context, string) (string, error) { return "", answer.Load().(error) }))
	cc := server.as(t, term(7))
	for name, way := range ways {
		answer.Store(errors.Join(errors.New("void invoices"), own))
		_, err := way(t.Context(), t, cc, "")
		if stale, ok := errors.AsType[*fence.StaleError](err); !ok || *stale != *own || status.Code(err) != codes.FailedPrecondition {
			t.Errorf("%s: %v", name, err)
		}
		answer.Store(errors.Join(status.Error(codes.FailedPrecondition, "no paper")))
		_, err = way(t.Context(), t, cc, "")
		if status.Code(err) != codes.FailedPrecondition || errors.Is(err, fence.ErrStale) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
