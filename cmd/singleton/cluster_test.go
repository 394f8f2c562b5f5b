package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/engine/etcdengine/etcdtest"
	"github.com/singleton-go/singleton/engineurl"
)

// etcd is one member for all tests of the package; each test has a prefix of its own.
var etcd struct {
	once   sync.Once
	dir    string
	member *etcdtest.Member
	err    error
}

// store returns the URL of a cluster of the test's own.
func store(t *testing.T) string {
	t.Helper()
	etcd.once.Do(func() {
		etcd.dir, etcd.err = os.MkdirTemp("", "singleton-test-") //nolint:usetesting // it outlives this test
		if etcd.err == nil {
			etcd.member, etcd.err = etcdtest.Start(etcd.dir)
		}
	})
	if etcd.err != nil {
		t.Fatal(etcd.err)
	}
	return storeOn(etcd.member, t.Name())
}

func storeOn(m *etcdtest.Member, name string) string {
	return "etcd://" + strings.TrimPrefix(m.Endpoint(), "http://") + "/" + strings.ReplaceAll(name, "/", "-")
}

func stopEtcd() {
	if etcd.member != nil {
		etcd.member.Stop()
	}
	if etcd.dir != "" {
		_ = os.RemoveAll(etcd.dir)
	}
}

// join adds a node to the cluster, in this process, which runs these units until the test ends.
func join(t *testing.T, url, name string, units ...singleton.Unit) {
	t.Helper()
	s, err := engineurl.Open(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	rt, err := singleton.New(s.Engine, singleton.Config{Prefix: s.Prefix, Node: name})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := rt.Run(ctx, units...); err != nil {
			t.Errorf("node %s: %v", name, err)
		}
	})
	t.Cleanup(func() {
		stop()
		running.Wait()
		_ = s.Close()
	})
}

// idle runs until it is told to stop.
var idle = singleton.RunnerFunc(func(ctx context.Context) error {
	<-ctx.Done()
	return context.Cause(ctx)
})

// await waits until the cluster is as wanted.
func await(t *testing.T, url, what string, is func(discovery.Cluster) bool) {
	t.Helper()
	s, err := engineurl.Open(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	d, err := discovery.Open(s.Engine, discovery.Config{Prefix: cmp.Or(s.Prefix, defaultPrefix), Observer: true})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close(context.Background())
	ctx, cancel := context.WithTimeoutCause(t.Context(), 30*time.Second, fmt.Errorf("%s: not within 30 s", what))
	defer cancel()
	for c, err := range d.Observe(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		if is(c) {
			return
		}
	}
	t.Fatal(context.Cause(ctx))
}

// queue says whether an election has this leader, and these in the queue behind it, in this order. They are names of nodes.
func queue(name, leader string, waiting ...string) func(discovery.Cluster) bool {
	return func(c discovery.Cluster) bool {
		e, _ := c.Election(name)
		var nodes []string
		for _, w := range e.Waiting {
			nodes = append(nodes, w.Node)
		}
		return e.Leader.Node == leader && !e.Since.IsZero() && strings.Join(nodes, " ") == strings.Join(waiting, " ")
	}
}
