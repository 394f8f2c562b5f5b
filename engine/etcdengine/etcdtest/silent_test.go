package etcdtest_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/singleton-go/singleton/discovery"
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
