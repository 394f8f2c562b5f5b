package discovery_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/election"
	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/enginetest"
	"github.com/singleton-go/singleton/engine/ramengine"
)

// A cluster is a store, and processes on it that come and go.
type cluster struct {
	*testing.T
	store *ramengine.Engine
}

// inCluster runs a test in virtual time.
func inCluster(t *testing.T, run func(c *cluster)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { run(&cluster{T: t, store: ramengine.New()}) })
}

// A process has a connection of its own, on which faults can be made.
type process struct {
	*discovery.Discovery
	c    *cluster
	conn *enginetest.Faulty
}

// join starts a process with the prefix "/t", unless the config says otherwise.
func (c *cluster) join(config discovery.Config) *process {
	c.Helper()
	p := &process{c: c, conn: enginetest.NewFaulty(c.store.Connect())}
	if config.Prefix == "" {
		config.Prefix = "/t"
	}
	d, err := discovery.Open(p.conn, config)
	if err != nil {
		c.Fatal(err)
	}
	p.Discovery = d
	c.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		if err := d.Close(ctx); err != nil {
			c.Errorf("close %s: %v", config.Node, err)
		}
		p.conn.Close()
	})
	return p
}

func (c *cluster) node(name string) *process {
	c.Helper()
	return c.join(discovery.Config{Node: name})
}

// records returns what the store holds.
func (c *cluster) records() map[string]string {
	all := map[string]string{}
	for u, err := range c.store.Watch(context.Background(), engine.WatchOptions{}) {
		if err != nil {
			c.Error(err)
		}
		for _, change := range u.Changes {
			all[change.Record.Key] = string(change.Record.Value)
		}
		break
	}
	return all
}

// mustHold compares what the store holds under a prefix.
func (c *cluster) mustHold(prefix string, want map[string]string) {
	c.Helper()
	got := c.records()
	maps.DeleteFunc(got, func(key, _ string) bool { return !strings.HasPrefix(key, prefix) })
	for _, key := range slices.Sorted(maps.Keys(got)) {
		if got[key] != want[key] {
			c.Errorf("%s\nis   %s\nwant %s", key, got[key], want[key])
		}
	}
	for key := range want {
		if _, ok := got[key]; !ok {
			c.Errorf("%s is missing", key)
		}
	}
}

// foreign is a session of another program.
func (c *cluster) foreign() engine.Session {
	c.Helper()
	s, err := c.store.Open(c.Context(), engine.SessionOptions{TTL: 24 * time.Hour})
	if err != nil {
		c.Fatal(err)
	}
	return s
}

func (c *cluster) put(s engine.Session, key, value string) engine.Record {
	c.Helper()
	r, err := s.Create(c.Context(), key, []byte(value))
	if err != nil {
		c.Fatal(err)
	}
	return r
}

func (p *process) look() discovery.Cluster {
	p.c.Helper()
	ctx, cancel := context.WithTimeout(p.c.Context(), time.Minute)
	defer cancel()
	c, err := p.Cluster(ctx)
	if err != nil {
		p.c.Fatal(err)
	}
	return c
}

func (p *process) register(u discovery.Unit) *discovery.Registration {
	p.c.Helper()
	r, err := p.Register(u)
	if err != nil {
		p.c.Fatal(err)
	}
	return r
}

// stand has the process lead whenever it can, until the function that it returns is called.
func (p *process) stand(name string) (stop func()) {
	ctx, cancel := context.WithCancel(p.c.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			err := p.Election(name).Lead(ctx, func(ctx context.Context, _ election.Term) error {
				<-ctx.Done()
				return nil
			})
			if errors.Is(err, election.ErrCandidate) || errors.Is(err, election.ErrClosed) {
				select {
				case <-time.After(time.Second):
				case <-ctx.Done():
				}
			}
		}
	}()
	synctest.Wait()
	stop = func() { cancel(); <-done }
	p.c.Cleanup(stop)
	return stop
}

// queue shows an election as the names of its candidates' nodes, or what they wrote.
func queue(c discovery.Cluster, name string) (list []string) {
	e, ok := c.Election(name)
	if !ok {
		return nil
	}
	for _, x := range append([]discovery.Candidate{e.Leader}, e.Waiting...) {
		if x.Node == "" {
			list = append(list, fmt.Sprintf("%q", x.ID))
			continue
		}
		list = append(list, x.Node)
	}
	return list
}

func (p *process) mustQueue(name string, want ...string) {
	p.c.Helper()
	if got := queue(p.look(), name); !slices.Equal(got, want) {
		p.c.Errorf("queue of %s: %v, want %v", name, got, want)
	}
}

func TestOpenRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		config discovery.Config
		want   string
	}{
		"no prefix":    {discovery.Config{}, "prefix: empty"},
		"a bad prefix": {discovery.Config{Prefix: "/t/"}, `prefix "/t/"`},
		"a range":      {discovery.Config{Prefix: "election//t"}, `prefix "election//t"`},
		"bad timing": {
			discovery.Config{Prefix: "/t", Timing: discovery.Timing{TTL: time.Second, Drain: time.Second}},
			"TTL 1s is too short: Renewal 250ms + CallTimeout 100ms + Drain 1s + Margin 50ms = 1.4s",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := discovery.Open(ramengine.New(), tt.config)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one that says %q", err, tt.want)
			}
		})
	}
	if _, err := discovery.Open(nil, discovery.Config{Prefix: "/t"}); err == nil {
		t.Error("no error without an engine")
	}
}

func TestDefaults(t *testing.T) {
	inCluster(t, func(c *cluster) {
		p := c.join(discovery.Config{})
		want := discovery.Timing{
			TTL: 10 * time.Second, Renewal: 2500 * time.Millisecond, CallTimeout: time.Second,
			Drain: 2500 * time.Millisecond, Margin: 500 * time.Millisecond, Drift: 0.1,
		}
		if got := p.Timing(); got != want {
			c.Errorf("timing %+v, want %+v", got, want)
		}
		synctest.Wait()
		n, ok := p.look().Node(p.NodeID())
		if !ok || n.Name == "" || n.Name != n.Host || n.Session == "" {
			c.Errorf("node %+v, want one named by its host", n)
		}
	})
}

func TestNodeIDIsNewWithEveryOpen(t *testing.T) {
	inCluster(t, func(c *cluster) {
		a, b := c.node("a"), c.node("a")
		for _, p := range []*process{a, b} {
			if id := p.NodeID(); len(id) != 36 || id[14] != '4' || !strings.ContainsAny(id[19:20], "89ab") {
				c.Errorf("node ID %q is no UUID of version 4", id)
			}
		}
		if a.NodeID() == b.NodeID() {
			c.Errorf("two nodes have the ID %s", a.NodeID())
		}
	})
}

func TestElectionHasTheNodeAsItsCandidate(t *testing.T) {
	inCluster(t, func(c *cluster) {
		p := c.node("a")
		p.stand("m")
		leader, err := p.Election("m").Leader(c.Context())
		if err != nil || leader.Candidate != p.NodeID() {
			c.Errorf("leader %+v, %v, want candidate %s", leader, err, p.NodeID())
		}
		if err := p.Election("worker").Lead(c.Context(), nil); err == nil {
			c.Error("an election named worker was not refused")
		}
		if _, found := c.records()["election//t/singleton/m/"+leader.Session]; !found {
			c.Errorf("no record at its place: %v", c.records())
		}
	})
}

func TestTrustIsTheTimeToTheStopLine(t *testing.T) {
	inCluster(t, func(c *cluster) {
		p := c.node("a")
		synctest.Wait()
		if left, err := p.Trust(); left != 6*time.Second || err != nil {
			c.Errorf("trust %v, %v, want 6s", left, err)
		}
		heal := p.conn.Cut()
		defer heal()
		time.Sleep(time.Second)
		if left, err := p.Trust(); left != 5*time.Second || err != nil {
			c.Errorf("trust %v, %v, want 5s after one that was cut off", left, err)
		}
		time.Sleep(time.Minute)
		if left, err := p.Trust(); left != 0 || err != nil {
			c.Errorf("trust %v, %v, want none", left, err)
		}
	})
}

func TestTrustSaysThatTheStoreWasReplaced(t *testing.T) {
	inCluster(t, func(c *cluster) {
		p := c.node("a")
		synctest.Wait()
		c.store.Rewind()
		time.Sleep(time.Minute)
		if left, err := p.Trust(); left != 0 || !errors.Is(err, engine.ErrRewound) {
			c.Errorf("trust %v, %v, want %v", left, err, engine.ErrRewound)
		}
		if cluster, err := p.Cluster(c.Context()); !errors.Is(err, engine.ErrRewound) {
			c.Errorf("cluster %+v, %v, want %v", cluster, err, engine.ErrRewound)
		}
		for target, err := range p.Follow(c.Context(), "ledger") {
			if !errors.Is(err, engine.ErrRewound) {
				c.Errorf("target %+v, %v, want %v", target, err, engine.ErrRewound)
			}
		}
	})
}

func TestCloseLeavesNothingBehind(t *testing.T) {
	inCluster(t, func(c *cluster) {
		p := c.node("a")
		p.register(discovery.Unit{Kind: discovery.Worker, Name: "w"})
		stop := p.stand("m")
		p.look()
		stop()
		if err := p.Close(c.Context()); err != nil {
			c.Error(err)
		}
		if left := c.records(); len(left) > 0 {
			c.Errorf("left in the store: %v", left)
		}
		watches := p.watches()
		if _, err := p.Cluster(c.Context()); !errors.Is(err, election.ErrClosed) {
			c.Errorf("look after close: %v, want %v", err, election.ErrClosed)
		}
		synctest.Wait()
		if begun, _ := watches(); begun > 0 {
			c.Error("a look after close began a watch")
		}
		if _, err := p.Register(discovery.Unit{Kind: discovery.Worker, Name: "w"}); !errors.Is(err, election.ErrClosed) {
			c.Errorf("register after close: %v, want %v", err, election.ErrClosed)
		}
		if err := p.Close(c.Context()); err != nil {
			c.Errorf("second close: %v", err)
		}
	})
}

func TestCloseWaitsForTheLeaderAndShowsThatTheNodeIsStopping(t *testing.T) {
	inCluster(t, func(c *cluster) {
		p, other := c.node("a"), c.node("b")
		returned := false
		go func() {
			_ = p.Election("m").Lead(c.Context(), func(ctx context.Context, _ election.Term) error {
				<-ctx.Done()
				time.Sleep(5 * time.Second)
				returned = true
				return nil
			})
		}()
		synctest.Wait()
		time.AfterFunc(time.Second, func() {
			if n, ok := other.look().Node(p.NodeID()); !ok || n.State != discovery.Stopping {
				c.Errorf("node %+v, want it stopping", n)
			}
			if value := c.records()["/t/service/"+p.NodeID()]; !strings.Contains(value, `"state":4`) {
				c.Errorf("as a service the node is %s, want it stopping too", value)
			}
		})
		if err := p.Close(c.Context()); err != nil || !returned {
			c.Errorf("close: %v before the runner returned (%t)", err, returned)
		}
		synctest.Wait() // for the mirror
		if _, ok := other.look().Node(p.NodeID()); ok {
			c.Error("the node is still there")
		}
	})
}

func TestNameThatCannotBeReadIsRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a\nb", "a\xffb", "\x1b[2J"} {
		d, err := discovery.Open(ramengine.New(), discovery.Config{Prefix: "/t", Node: name})
		if d != nil || err == nil || !strings.Contains(err.Error(), fmt.Sprintf("Node %q", name)) {
			t.Errorf("%q: got %v, want an error that names it", name, err)
		}
	}
}
