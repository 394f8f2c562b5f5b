// Package etcdtest runs a real etcd member inside this process: for tests, for benchmarks, and for a demonstration on a
// machine that has no etcd. It is not made to keep anybody's data, since it doesn't wait for the disk.
//
// It is a module of its own because the server brings many dependencies with it, which nobody who runs elections on a cluster
// of his own should have in his build. For the same reason the tests of package etcdengine are in this folder: they
// need the server.
package etcdtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.uber.org/zap"
	"google.golang.org/grpc"
)

const (
	// MinTTL is the shortest lease that a member grants.
	MinTTL = time.Second

	heartbeat = 10 * time.Millisecond
	election  = 10 * heartbeat // a longer one would lift MinTTL

	startLimit = 20 * time.Second
)

// A Member is a cluster of one etcd member on loopback. It keeps its address and its data when it is stopped and started
// again. Its methods are not to be called at the same time.
type Member struct {
	dir    string
	client url.URL
	peer   url.URL
	adjust []func(*embed.Config)

	etcd *embed.Etcd                 // nil while it is stopped
	grpc atomic.Pointer[grpc.Server] // its way to end connections that have open streams; set on a goroutine of the server's
}

// small makes the log's files small, which the server allocates in full: a copy of a data directory is then quick.
var small = sync.OnceFunc(func() { wal.SegmentSizeBytes = 1 << 20 })

// Start starts a member with its data in dir, which it makes if need be, on free ports of its own choice. It returns when the
// member serves. Each of adjust may change the member's settings, whenever it is about to start.
func Start(dir string, adjust ...func(*embed.Config)) (*Member, error) {
	small()
	for try := 0; ; try++ {
		m := &Member{dir: dir, client: loopback(freePort()), peer: loopback(freePort()), adjust: adjust}
		err := m.Start()
		if err == nil || !errors.Is(err, syscall.EADDRINUSE) || try == 10 {
			return m, err
		}
	}
}

// freePort finds a port below those that the system gives to outgoing connections: such a one would be taken by somebody else
// while a member is stopped, and the member could not come back.
func freePort() int {
	for {
		port := 10_000 + rand.IntN(20_000)
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			_ = l.Close()
			return port
		}
	}
}

func loopback(port int) url.URL {
	return url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", port)}
}

// Start starts a stopped member again, at the same address.
func (m *Member) Start() error {
	if m.etcd != nil {
		return errors.New("start etcd: it runs already")
	}
	e, err := embed.StartEtcd(m.config())
	if err != nil {
		return fmt.Errorf("start etcd: %w", err)
	}
	m.etcd = e
	select {
	case <-e.Server.ReadyNotify():
		return nil
	case err = <-e.Err():
	case <-time.After(startLimit):
		err = fmt.Errorf("not ready after %v", startLimit)
	}
	m.Stop()
	return fmt.Errorf("start etcd: %w", err)
}

func (m *Member) config() *embed.Config {
	c := embed.NewConfig()
	c.Dir = m.dir
	c.ListenClientUrls, c.AdvertiseClientUrls = []url.URL{m.client}, []url.URL{m.client}
	c.ListenPeerUrls, c.AdvertisePeerUrls = []url.URL{m.peer}, []url.URL{m.peer}
	c.InitialCluster = c.InitialClusterFromName(c.Name)
	c.TickMs, c.ElectionMs = uint(heartbeat.Milliseconds()), uint(election.Milliseconds())
	c.UnsafeNoFsync = true
	c.EnableGRPCGateway = false
	c.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	c.ServiceRegister = func(s *grpc.Server) { m.grpc.Store(s) }
	for _, adjust := range m.adjust {
		adjust(c)
	}
	return c
}

// Stop stops the member at once and cuts its connections, as if its process had ended. Clients keep trying to come back.
func (m *Member) Stop() {
	if m.etcd == nil {
		return
	}
	if s := m.grpc.Swap(nil); s != nil {
		s.Stop() // or Close waits some seconds for watches to end by themselves
	}
	m.etcd.Close()
	m.etcd = nil
}

// Close stops the member; its data stays.
func (m *Member) Close() error {
	m.Stop()
	return nil
}

// Save copies the data of a stopped member to a directory, for a later [Member.Rewind].
func (m *Member) Save(dir string) error {
	if m.etcd != nil {
		return errors.New("save etcd's data: the member runs")
	}
	if err := os.CopyFS(dir, os.DirFS(m.dir)); err != nil {
		return fmt.Errorf("save etcd's data: %w", err)
	}
	return nil
}

// Rewind stops the member and starts it on the data that [Member.Save] copied, as somebody who restores a backup may do.
func (m *Member) Rewind(dir string) error {
	m.Stop()
	if err := os.RemoveAll(m.dir); err != nil {
		return fmt.Errorf("rewind etcd: %w", err)
	}
	if err := os.CopyFS(m.dir, os.DirFS(dir)); err != nil {
		return fmt.Errorf("rewind etcd: %w", err)
	}
	return m.Start()
}

// Endpoint is where clients connect to.
func (m *Member) Endpoint() string { return m.client.String() }

// Client returns a new, quiet client of the member, which the caller closes. It has no keepalive settings.
func (m *Member) Client(options ...grpc.DialOption) (*clientv3.Client, error) {
	return clientv3.New(clientv3.Config{
		Endpoints:   []string{m.Endpoint()},
		DialOptions: options,
		Logger:      zap.NewNop(),
	})
}

// Compact makes the member forget all history before now.
func (m *Member) Compact(ctx context.Context) error {
	client, err := m.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	now, err := client.Get(ctx, "now", clientv3.WithCountOnly())
	if err != nil {
		return err
	}
	_, err = client.Compact(ctx, now.Header.Revision, clientv3.WithCompactPhysical())
	return err
}
