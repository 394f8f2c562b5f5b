package peers_test

import (
	"context"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/singleton-go/singleton/engine/etcdengine/etcdtest"
	"github.com/singleton-go/singleton/lab/peers"
)

// limit is for what should take a few seconds.
const limit = time.Minute

// all are the peers, each with a way to take a leader's place by force.
var all = map[string]struct {
	candidate func(*clientv3.Client, peers.Options) (peers.Candidate, error)
	usurp     func(ctx context.Context, c *clientv3.Client, name string) error
}{
	"concurrency": {peers.Concurrency, func(ctx context.Context, c *clientv3.Client, _ string) error {
		list, err := c.Leases(ctx)
		for i := 0; err == nil && i < len(list.Leases); i++ {
			_, err = c.Revoke(ctx, list.Leases[i].ID)
		}
		return err
	}},
	"leaderelection": {
		func(c *clientv3.Client, o peers.Options) (peers.Candidate, error) {
			return peers.LeaderElection(c, o, true)
		},
		func(ctx context.Context, c *clientv3.Client, name string) error {
			_, err := c.Put(ctx, name, `{"holderIdentity":"a thief","leaseDurationSeconds":60}`)
			return err
		},
	},
}

func start(t *testing.T) *clientv3.Client {
	t.Helper()
	m, err := etcdtest.Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Stop)
	c, err := m.Client()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestOneLeadsAfterTheOther(t *testing.T) {
	t.Parallel()
	for name, peer := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			client := start(t)
			var last uint64
			for _, id := range []string{"a", "b", "a"} {
				c, err := peer.candidate(client, peers.Options{Name: "el", ID: id, TTL: 2 * time.Second})
				if err != nil {
					t.Fatal(err)
				}
				term, err := c.Campaign(ctx)
				if err != nil {
					t.Fatal(err)
				}
				if term.Context().Err() != nil || term.Token() <= last {
					t.Errorf("token %d after %d, context %v", term.Token(), last, term.Context().Err())
				}
				last = term.Token()
				if err := term.Resign(ctx); err != nil {
					t.Error(err)
				}
				if term.Context().Err() == nil {
					t.Error("the context of a term that was resigned goes on")
				}
			}
		})
	}
}

func TestALeaderIsToldThatItLost(t *testing.T) {
	t.Parallel()
	for name, peer := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			client := start(t)
			c, err := peer.candidate(client, peers.Options{Name: "el", ID: "a", TTL: 2 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			term, err := c.Campaign(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if err := peer.usurp(ctx, client, "el"); err != nil {
				t.Fatal(err)
			}
			select {
			case <-term.Context().Done():
			case <-ctx.Done():
				t.Fatal("it leads on")
			}
			_ = term.Resign(ctx) // there is nothing left to resign
		})
	}
}

func TestAWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	for name, peer := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			client := start(t)
			first, err := peer.candidate(client, peers.Options{Name: "el", ID: "a", TTL: 2 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			term, err := first.Campaign(ctx)
			if err != nil {
				t.Fatal(err)
			}
			second, err := peer.candidate(client, peers.Options{Name: "el", ID: "b", TTL: 2 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			short, stop := context.WithTimeout(ctx, 500*time.Millisecond)
			defer stop()
			if _, err := second.Campaign(short); err == nil {
				t.Error("two lead")
			}
			if err := term.Resign(ctx); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	good := peers.Options{Name: "el", ID: "a", TTL: 2 * time.Second}
	for _, change := range []func(*peers.Options){
		func(o *peers.Options) { o.Name = "" },
		func(o *peers.Options) { o.ID = "" },
		func(o *peers.Options) { o.TTL = 0 },
		func(o *peers.Options) { o.TTL = 1500 * time.Millisecond },
	} {
		o := good
		change(&o)
		for name, peer := range all {
			if _, err := peer.candidate(nil, o); err == nil {
				t.Errorf("%s accepts %+v", name, o)
			}
		}
	}
}
