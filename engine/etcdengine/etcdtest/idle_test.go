package etcdtest_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/stats"

	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/election"
	"github.com/singleton-go/singleton/engine/etcdengine"
)

// A meter counts the messages that a client sends.
type meter struct{ sent atomic.Int64 }

func (m *meter) HandleRPC(_ context.Context, s stats.RPCStats) {
	if _, ok := s.(*stats.OutPayload); ok {
		m.sent.Add(1)
	}
}

func (m *meter) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (m *meter) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (m *meter) HandleConn(context.Context, stats.ConnStats)                       {}

func TestAnIdleProcessSendsAsMuchForOneElectionAsForAThousand(t *testing.T) {
	t.Parallel()
	m := start(t)
	const interval, intervals = 500 * time.Millisecond, 6
	sent := map[int]int64{}
	for _, n := range []int{1, 1000} {
		var traffic meter
		client, err := m.Client(grpc.WithStatsHandler(&traffic))
		try(t, err)
		d, err := discovery.Open(etcdengine.New(client), discovery.Config{
			Prefix: fmt.Sprintf("/idle-%d", n), Timing: discovery.Timing{TTL: time.Minute, Renewal: interval},
		})
		try(t, err)
		var candidates []*election.Candidate
		for i := range n {
			c, err := d.Election(fmt.Sprintf("e-%d", i)).Enter(t.Context(), func(election.Term) {})
			try(t, err)
			candidates = append(candidates, c)
		}
		awaitKeys(t, client, fmt.Sprintf("election//idle-%d/singleton/", n), int64(n))
		before := traffic.sent.Load()
		time.Sleep(intervals * interval) // what is measured
		sent[n] = traffic.sent.Load() - before
		for _, c := range candidates {
			try(t, c.Leave(t.Context()))
		}
		try(t, d.Close(t.Context()))
		try(t, client.Close())
	}
	// A renewal, the proof that belongs to it, and the request for a mark; each may fall on one side of the line or the other.
	if most := int64(4 * (intervals + 1)); sent[1] > most || sent[1000] > most {
		t.Errorf("messages sent in %d intervals: %v by elections, want at most %d", intervals, sent, most)
	}
	t.Logf("messages sent in %d intervals, by elections: %v", intervals, sent)
}

func awaitKeys(t *testing.T, client *clientv3.Client, keys string, n int64) {
	t.Helper()
	for {
		r, err := client.Get(t.Context(), keys, clientv3.WithPrefix(), clientv3.WithCountOnly())
		try(t, err)
		if r.Count == n {
			return
		}
	}
}
