package etcdtest_test

import (
	"context"
	"iter"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/etcdengine"
)

// A machine that vanishes closes no connection, and a client without keepalive settings uses it on and on.
func TestOneOfTwoConnectionsThatDiesSilentlyCostsNoLeadership(t *testing.T) {
	t.Parallel()
	m := start(t)
	sound, dead := newWire(), newWire()
	byAddress := func(ctx context.Context, address string) (net.Conn, error) {
		if strings.HasPrefix(address, "localhost") {
			return dead.dial(ctx, address)
		}
		return sound.dial(ctx, address)
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints:   []string{m.Endpoint(), strings.Replace(m.Endpoint(), "127.0.0.1", "localhost", 1)},
		DialOptions: []grpc.DialOption{grpc.WithContextDialer(byAddress)},
		Logger:      zap.NewNop(),
	})
	try(t, err)
	t.Cleanup(func() { _ = client.Close() })
	d, err := discovery.Open(etcdengine.New(client), discovery.Config{Prefix: prefix}) // the stop line is 6 s away
	try(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		try(t, d.Close(ctx))
	})
	term, err := d.Election("sync").Campaign(t.Context())
	try(t, err)
	for dead.opened.Load() == 0 || sound.opened.Load() == 0 {
		_, err := client.Get(t.Context(), "any") // until both connections are there
		try(t, err)
	}
	heal := dead.cut(t)
	defer heal()
	select {
	case <-term.Context().Done():
		t.Errorf("the term ended: %v", context.Cause(term.Context()))
	case <-time.After(10 * time.Second):
	}
	_ = term.Resign(t.Context())
}

// A store that is slow to answer is asked for other streams, and then answers all.
func TestOfSeveralStreamsForOneWatchOneLives(t *testing.T) {
	t.Parallel()
	m := start(t)
	var opened, answered atomic.Int32
	all, ended := make(chan struct{}), make(chan struct{}, 100)
	client, err := m.Client(grpc.WithChainStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn,
		method string, streamer grpc.Streamer, opts ...grpc.CallOption,
	) (grpc.ClientStream, error) {
		s, err := streamer(ctx, desc, cc, method, opts...)
		if err != nil || method != "/etcdserverpb.Watch/Watch" {
			return s, err
		}
		context.AfterFunc(ctx, func() { ended <- struct{}{} })
		opened.Add(1)
		answer := sync.OnceFunc(func() {
			if answered.Add(1) == 3 {
				close(all)
			}
		})
		return &slowStream{s, answer, all}, nil
	}))
	try(t, err)
	t.Cleanup(func() { _ = client.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	next, stop := iter.Pull2(etcdengine.New(client).Watch(ctx, engine.WatchOptions{Prefix: "slow/", Progress: time.Second}))
	defer stop()
	if u, err, ok := next(); err != nil || !ok || !u.Reset {
		t.Fatalf("the watch began with %+v, %v", u, err)
	}
	for n := range opened.Load() - 1 {
		select {
		case <-ended:
		case <-ctx.Done():
			t.Fatalf("of %d streams %d ended, want all but one", opened.Load(), n)
		}
	}
	_, err = client.Put(ctx, "slow/key", "")
	try(t, err)
	for {
		u, err, ok := next()
		if err != nil || !ok {
			t.Fatalf("the watch ended: %v", err)
		}
		if len(u.Changes) > 0 {
			break
		}
	}
}

// A slowStream keeps back what it has received until others have received something too.
type slowStream struct {
	grpc.ClientStream
	received func()
	others   <-chan struct{}
}

func (s *slowStream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	s.received()
	select {
	case <-s.others:
	case <-s.Context().Done():
	}
	return err
}
