package grpcsingleton

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/fence"
)

// Scheme is that of targets: "singleton:///ledger" is the singleton service "ledger".
const Scheme = "singleton"

// How long a call that was refused waits for another target before it tries the same one again.
const (
	firstPause = 20 * time.Millisecond
	lastPause  = time.Second
)

// NewClient returns a connection to the singleton service of this name, which the caller closes before the discovery. The
// name is also the authority, so with TLS it is what the server's certificate must be for; [grpc.WithAuthority] changes that.
func NewClient(d *discovery.Discovery, service string, o ...grpc.DialOption) (*grpc.ClientConn, error) {
	return grpc.NewClient(Scheme+":///"+service, append(DialOptions(d), o...)...)
}

// DialOptions returns what makes a client follow singleton services, for use with [grpc.NewClient] and a target of [Scheme]. They
// are this client's alone: nothing is registered for the whole program.
func DialOptions(d *discovery.Discovery) []grpc.DialOption {
	f := &follower{d: d}
	return []grpc.DialOption{
		grpc.WithResolvers(f),
		grpc.WithChainUnaryInterceptor(f.unary),
		grpc.WithChainStreamInterceptor(f.stream),
	}
}

// Answered returns the fencing token of the term under which a call was answered, from its header (see [grpc.Header]); 0 where
// the server was none of this package.
func Answered(header metadata.MD) uint64 {
	values := header.Get(fence.TokenHeader)
	if len(values) != 1 {
		return 0
	}
	token, err := fence.ParseToken(values[0])
	if err != nil {
		return 0
	}
	return token
}

// unary makes a call, and makes it again as long as it surely was not run.
func (f *follower) unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker,
	o ...grpc.CallOption,
) error {
	service, ours := serviceOf(cc)
	if !ours {
		return invoke(ctx, method, req, reply, cc, o...)
	}
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		s := f.sighting(service)
		var trailer metadata.MD
		err := invoke(s.meant(ctx), method, req, reply, cc, append(slices.Clip(o), grpc.Trailer(&trailer))...)
		if err == nil || !refused(err, trailer) || !f.another(ctx, s, pause, waits(o)) {
			return err
		}
	}
}

// stream opens a stream. It is the caller who repeats it.
func (f *follower) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer,
	o ...grpc.CallOption,
) (grpc.ClientStream, error) {
	if service, ours := serviceOf(cc); ours {
		ctx = f.sighting(service).meant(ctx)
	}
	return open(ctx, desc, cc, method, o...)
}

func serviceOf(cc *grpc.ClientConn) (service string, ours bool) {
	return strings.CutPrefix(cc.Target(), Scheme+":///")
}

// refused says whether the server did not run the call.
func refused(err error, trailer metadata.MD) bool {
	return status.Code(err) == codes.Unavailable && len(trailer.Get(fence.RefusedHeader)) > 0
}

// waits says whether a call waits for ready.
func waits(o []grpc.CallOption) (wait bool) {
	for _, option := range o {
		if w, ok := option.(grpc.FailFastCallOption); ok {
			wait = !w.FailFast
		}
	}
	return wait
}

// another waits until s is outdated, or for a while, and says whether to try again.
func (f *follower) another(ctx context.Context, s *sighting, pause time.Duration, wait bool) bool {
	select {
	case <-s.outdated:
		return true
	default:
	}
	if !wait {
		return false
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-s.outdated:
		return true
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// errName says what is wrong with a target.
func errName(target string) error {
	return fmt.Errorf("target %q: must be %s:///NAME, with the name of a singleton service", target, Scheme)
}
