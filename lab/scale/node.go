package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/stats"
)

const (
	atOnce  = 128              // calls of one node under way, where a peer has no bound of its own: etcd refuses too many
	window  = 1 << 20          // bytes of gRPC's windows, as package etcdengine advises
	closing = 20 * time.Second // for a node to leave
)

// A node takes part in all elections.
type node interface {
	// open gets the node its lease and its watch, and enters nothing.
	open(ctx context.Context) error
	// start enters all elections.
	start(ctx context.Context) error
	// change lets one unit stop and start, so often.
	change(ctx context.Context, times int) error
	// stop leaves all in order.
	stop(ctx context.Context) error
}

// A tally counts the units that run.
type tally struct {
	ready   atomic.Int64
	changed atomic.Int64 // nanoseconds of the wall clock, which all processes of the machine share
}

func (t *tally) add(n int64) {
	t.ready.Add(n)
	t.changed.Store(time.Now().UnixNano())
}

// A meter counts messages.
type meter struct{ sent, received atomic.Int64 }

func (m *meter) HandleRPC(_ context.Context, s stats.RPCStats) {
	switch s.(type) {
	case *stats.OutPayload:
		m.sent.Add(1)
	case *stats.InPayload:
		m.received.Add(1)
	}
}

func (m *meter) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (m *meter) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (m *meter) HandleConn(context.Context, stats.ConnStats)                       {}

func dial(endpoint string, m *meter) (*clientv3.Client, error) {
	return clientv3.New(clientv3.Config{
		Endpoints: []string{endpoint},
		Logger:    zap.NewNop(),
		DialOptions: []grpc.DialOption{
			grpc.WithInitialWindowSize(window), grpc.WithInitialConnWindowSize(window), grpc.WithStatsHandler(m),
		},
	})
}

// nodes are the kinds there are.
var nodes = map[string]func(*clientv3.Client, role, *tally) (node, error){
	"bare":           newBare,
	"singleton":      newOurs,
	"concurrency":    newSessions,
	"leaderelection": newElectors,
}

// serveNode is the process of a node.
func serveNode(ctx context.Context, r role) error {
	if r.Profile != "" {
		runtime.MemProfileRate = 512
	}
	var traffic meter
	var count tally
	client, err := dial(r.Endpoint, &traffic)
	if err != nil {
		return err
	}
	newNode, ok := nodes[r.Kind]
	if !ok {
		return fmt.Errorf("kind %q: unknown", r.Kind)
	}
	n, err := newNode(client, r, &count)
	if err != nil {
		return errors.Join(err, client.Close())
	}
	stopped := false
	err = obey(os.Stdin, os.Stdout, func(q request) state {
		stopped = stopped || q.Do == "stop"
		err := perform(ctx, n, q)
		s := report(q, &traffic, &count, err)
		if err := profile(r, q, s.Heap); err != nil && s.Err == "" {
			s.Err = err.Error()
		}
		return s
	})
	if !stopped {
		ctx, cancel := context.WithTimeout(ctx, closing)
		defer cancel()
		err = errors.Join(err, n.stop(ctx))
	}
	return errors.Join(err, client.Close())
}

func perform(ctx context.Context, n node, q request) error {
	switch q.Do {
	case "open":
		return n.open(ctx)
	case "start":
		return n.start(ctx)
	case "change":
		return n.change(ctx, q.Times)
	case "stop":
		return n.stop(ctx)
	case "state", "weigh", "record", "recorded":
		return nil
	default:
		return fmt.Errorf("request %q: unknown", q.Do)
	}
}

func report(q request, traffic *meter, count *tally, err error) state {
	s := state{
		Ready: count.ready.Load(), Changed: time.Unix(0, count.changed.Load()),
		Sent: traffic.sent.Load(), Received: traffic.received.Load(),
	}
	if err != nil {
		s.Err = err.Error()
	}
	if q.Do == "weigh" {
		runtime.GC()
		runtime.GC() // what the first one has found finalisers for
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		s.Heap, s.Goroutines = m.HeapAlloc, runtime.NumGoroutine()
	}
	return s
}

func unitName(i int) string { return "unit-" + strconv.Itoa(i) }
