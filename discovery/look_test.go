package discovery_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/election"
	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/enginetest"
)

// follow collects what is yielded, until ctx ends or an error comes.
type follower struct {
	mu   sync.Mutex
	seen []discovery.Cluster
	err  error
	done chan struct{}
}

func (p *process) follow(ctx context.Context) *follower {
	f := &follower{done: make(chan struct{})}
	go func() {
		defer close(f.done)
		for c, err := range p.Observe(ctx) {
			f.mu.Lock()
			if f.err = err; err == nil {
				f.seen = append(f.seen, c)
			}
			f.mu.Unlock()
		}
	}()
	synctest.Wait()
	return f
}

// last waits until all is quiet, and returns what was yielded last.
func (f *follower) last() discovery.Cluster {
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.seen) == 0 {
		return discovery.Cluster{}
	}
	return f.seen[len(f.seen)-1]
}

func states(list []discovery.Instance) (s []string) {
	for _, x := range list {
		s = append(s, x.Name+" "+x.State.String())
	}
	return s
}

func TestObserveYieldsThePresentAndEveryChange(t *testing.T) {
	inCluster(t, func(c *cluster) {
		p, other := c.node("a"), c.node("b")
		f := p.follow(c.Context())
		if got := f.last(); len(got.Nodes) != 2 {
			c.Fatalf("at first %+v, want two nodes", got)
		}
		w := other.register(discovery.Unit{Kind: discovery.Worker, Name: "w"})
		for _, state := range []discovery.State{discovery.Init, discovery.Pending, discovery.Ready, discovery.Stopping} {
			w.Set(state, 0)
			if got := states(f.last().Workers); !slices.Equal(got, []string{"w " + state.String()}) {
				c.Errorf("workers %v, want one in state %v", got, state)
			}
		}
		stop := other.stand("m")
		if got := queue(f.last(), "m"); !slices.Equal(got, []string{"b"}) {
			c.Errorf("queue %v, want b", got)
		}
		stop()
		if got := queue(f.last(), "m"); got != nil {
			c.Errorf("queue %v, want nobody", got)
		}
		w.Close()
		if got := f.last().Workers; len(got) != 0 {
			c.Errorf("workers %v, want none", got)
		}
	})
}

func TestSlowReaderGetsTheLatestAndHoldsUpNobody(t *testing.T) {
	inCluster(t, func(c *cluster) {
		p, other := c.node("a"), c.node("b")
		w := other.register(discovery.Unit{Kind: discovery.Worker, Name: "w"})
		synctest.Wait()
		goOn := make(chan struct{})
		var slow []discovery.State
		go func() {
			for got, err := range p.Observe(c.Context()) {
				if err != nil {
					c.Error(err)
				}
				slow = append(slow, got.Workers[0].State)
				<-goOn
			}
		}()
		synctest.Wait()
		fast := p.follow(c.Context())
		for range 100 {
			w.Set(discovery.Pending, 0)
			synctest.Wait()
			w.Set(discovery.Ready, 0)
			synctest.Wait()
		}
		if got := fast.last().Workers[0].State; got != discovery.Ready {
			c.Errorf("beside a slow reader another got %v, want ready", got)
		}
		if left, _ := p.Trust(); left <= 0 {
			c.Error("a slow reader cost the trust in the session")
		}
		close(goOn)
		synctest.Wait()
		if want := []discovery.State{discovery.Init, discovery.Ready}; !slices.Equal(slow, want) {
			c.Errorf("the slow reader got %v, want %v", slow, want)
		}
	})
}

// In the original a late joiner does not see the workers that exist.
func TestLateJoinerSeesAllThatExists(t *testing.T) {
	inCluster(t, func(c *cluster) {
		for i := range 5 {
			p := c.node(fmt.Sprint("n", i))
			p.stand("worker/w")
			p.register(discovery.Unit{Kind: discovery.Worker, Name: "w"}).Set(discovery.Pending, 0)
			p.register(discovery.Unit{Kind: discovery.Service, Name: "s"}).Set(discovery.Ready, 0)
		}
		time.Sleep(time.Hour)
		got := c.join(discovery.Config{Observer: true}).look()
		if len(got.Nodes) != 5 || len(got.Workers) != 5 || len(got.Services) != 5 {
			c.Errorf("got %d nodes, %d workers, %d services, want 5 of each", len(got.Nodes), len(got.Workers), len(got.Services))
		}
		if q := queue(got, "worker/w"); !slices.Equal(q, []string{"n0", "n1", "n2", "n3", "n4"}) {
			c.Errorf("queue %v, want all in their order", q)
		}
	})
}

func TestPrefixesThatBeginAlikeAreClustersApart(t *testing.T) {
	inCluster(t, func(c *cluster) {
		prefixes := []string{"/a", "/ab", "/a/b", "/a/node", "/a/worker", "/a/singleton", "a", "x"}
		for _, prefix := range prefixes {
			p := c.join(discovery.Config{Prefix: prefix, Node: "of " + prefix})
			p.register(discovery.Unit{Kind: discovery.Worker, Name: "w", ID: "W"})
			p.stand("m")
			p.stand("worker/w")
		}
		for _, prefix := range prefixes {
			p := c.join(discovery.Config{Prefix: prefix, Observer: true})
			got := p.look()
			if len(got.Nodes) != 1 || got.Nodes[0].Name != "of "+prefix || len(got.Workers) != 1 || len(got.Elections) != 2 {
				c.Errorf("cluster %q: %+v, want one node, one worker, two elections", prefix, got)
			}
			p.mustQueue("m", "of "+prefix)
		}
	})
}

// watches counts those of the registry that are begun, and the updates that they bring.
func (p *process) watches() func() (begun, updates int) {
	var mu sync.Mutex
	var b, u int
	p.conn.Decide(func(call enginetest.Call) enginetest.Fate {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case call.Op == enginetest.OpWatch && call.Key == "/t/":
			b++
		case call.Op == enginetest.OpUpdate && call.Key == "/t/":
			u++
		}
		return enginetest.Fate{}
	})
	return func() (int, int) {
		mu.Lock()
		defer mu.Unlock()
		return b, u
	}
}

func TestRegistryIsWatchedOnlyWhileSomebodyLooks(t *testing.T) {
	inCluster(t, func(c *cluster) {
		p, other := c.node("a"), c.node("b")
		watches := p.watches()
		must := func(want int, when string) (updates int) {
			t.Helper()
			begun, updates := watches()
			if begun != want {
				t.Errorf("%s: the registry was watched %d times, want %d", when, begun, want)
			}
			return updates
		}
		r := other.register(discovery.Unit{Kind: discovery.Worker, Name: "w"})
		time.Sleep(time.Hour)
		must(0, "before the first look")
		p.look()
		ctx, cancel := context.WithCancel(c.Context())
		f := p.follow(ctx)
		time.Sleep(time.Hour)
		p.look()
		must(1, "while somebody observes")
		r.Set(discovery.Pending, 0)
		if got := states(f.last().Workers); !slices.Equal(got, []string{"w pending"}) {
			t.Errorf("workers %v after others have looked, want one pending", got)
		}
		cancel()
		<-f.done
		for range 10 {
			time.Sleep(50 * time.Second)
			p.look()
		}
		must(1, "looking every minute")
		time.Sleep(time.Hour)
		before := must(1, "an hour after the last look")
		r.Set(discovery.Ready, 0)
		time.Sleep(time.Hour)
		if now := must(1, "two hours after the last look"); now != before {
			t.Errorf("%d updates of a registry that nobody looks at", now-before)
		}
		if got := states(p.look().Workers); !slices.Equal(got, []string{"w ready"}) {
			t.Errorf("workers %v after a long while, want one ready", got)
		}
		must(2, "at the next look")
	})
}

func TestMirrorComesBackAfterEveryBreak(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(p *process){
		"broken":  func(p *process) { p.conn.BreakWatches(errors.New("broken")) },
		"reset":   func(p *process) { p.conn.ResetWatches() },
		"stalled": func(p *process) { time.AfterFunc(time.Minute, p.conn.Stall()) },
		"cut":     func(p *process) { time.AfterFunc(time.Minute, p.conn.Cut()) },
		"refused": func(p *process) {
			time.AfterFunc(time.Minute, p.conn.Refuse(errors.New("no")))
			p.conn.BreakWatches(errors.New("broken"))
		},
		"deaf for ever": func(p *process) { // this watch never heals, only another helps
			var once sync.Once
			p.conn.Decide(func(call enginetest.Call) (fate enginetest.Fate) {
				if call.Op == enginetest.OpUpdate && call.Key == "/t/" {
					once.Do(func() { fate.Lost = true })
				}
				return fate
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			inCluster(t, func(c *cluster) {
				p, other := c.node("a"), c.node("b")
				f := p.follow(c.Context())
				gone := other.register(discovery.Unit{Kind: discovery.Worker, Name: "gone"})
				w := other.register(discovery.Unit{Kind: discovery.Worker, Name: "w"})
				time.Sleep(time.Second)
				harm(p)
				gone.Close()
				w.Set(discovery.Ready, 0)
				if got := len(f.last().Nodes); got == 0 {
					c.Error("what was known is forgotten while the store is away")
				}
				time.Sleep(2 * time.Minute)
				if got := states(f.last().Workers); !slices.Equal(got, []string{"w ready"}) {
					c.Errorf("workers %v, want w ready", got)
				}
				w.Set(discovery.Stopping, 0)
				if got := states(f.last().Workers); !slices.Equal(got, []string{"w stopping"}) {
					c.Errorf("workers %v, want w stopping", got)
				}
			})
		})
	}
}

func TestAsOfFallsBehindWhileTheStoreIsAway(t *testing.T) {
	inCluster(t, func(c *cluster) {
		p := c.node("a")
		p.follow(c.Context())
		time.Sleep(time.Hour)
		if age := time.Since(p.look().AsOf); age > 3*time.Second {
			c.Errorf("the view is %v old", age)
		}
		for _, prefix := range []string{"/t/", "election//t/"} {
			p.conn.Decide(func(call enginetest.Call) enginetest.Fate {
				return enginetest.Fate{Lost: call.Op == enginetest.OpUpdate && call.Key == prefix}
			})
			time.Sleep(time.Hour)
			if age := time.Since(p.look().AsOf); age < time.Hour || age > time.Hour+3*time.Second {
				c.Errorf("without news of %s the view is %v old, want an hour", prefix, age)
			}
			p.conn.Decide(nil)
			time.Sleep(time.Minute)
		}
	})
}

func TestCloseEndsWhoStillObserves(t *testing.T) {
	inCluster(t, func(c *cluster) {
		p := c.node("a")
		f := p.follow(c.Context())
		if err := p.Close(c.Context()); err != nil {
			c.Error(err)
		}
		<-f.done
		if !errors.Is(f.err, election.ErrClosed) {
			c.Errorf("the last that was yielded: %v, want %v", f.err, election.ErrClosed)
		}
	})
}

func TestLookEndsWithItsContext(t *testing.T) {
	inCluster(t, func(c *cluster) {
		p := c.node("a")
		defer p.conn.Cut()()
		why := errors.New("enough")
		ctx, cancel := context.WithTimeoutCause(c.Context(), time.Minute, why)
		defer cancel()
		if _, err := p.Cluster(ctx); !errors.Is(err, why) {
			c.Errorf("error %v, want %v", err, why)
		}
		ctx, stop := context.WithTimeout(c.Context(), time.Minute)
		defer stop()
		f := p.follow(ctx)
		<-f.done
		if f.err != nil || len(f.seen) > 0 {
			c.Errorf("yielded %v, %v, want nothing", f.seen, f.err)
		}
	})
}

func TestElectionsShowWhoLeadsAndWhoWaits(t *testing.T) {
	inCluster(t, func(c *cluster) {
		a, b := c.node("a"), c.node("b")
		w := a.register(discovery.Unit{Kind: discovery.Worker, Name: "w"})
		term, err := a.Election("worker/w", election.WithID(w.ID())).Campaign(c.Context())
		if err != nil {
			c.Fatal(err)
		}
		if got := queue(a.look(), "worker/w"); !slices.Equal(got, []string{"a"}) {
			c.Errorf("a look after the campaign shows %v", got)
		}
		b.stand("worker/w")
		s := c.foreign()
		c.put(s, "election//t/singleton/worker/w/1234", "tool on box")
		p := c.join(discovery.Config{Observer: true})
		p.mustQueue("worker/w", "a", "b", `"tool on box"`)
		first := time.Now()
		time.Sleep(10 * time.Second)
		e, _ := p.look().Election("worker/w")
		if !e.Since.IsZero() || !e.Seen.Equal(first) || e.Leader.Token != term.Token() || e.Leader.ID != w.ID() || e.Leader.NodeID != a.NodeID() {
			c.Errorf("election %+v, want %s leading with %d, seen at %v", e, w.ID(), term.Token(), first)
		}
		w.Set(discovery.Ready, term.Token())
		synctest.Wait()
		if e, _ = p.look().Election("worker/w"); !e.Since.Equal(time.Now()) || !e.Seen.Equal(first) {
			c.Errorf("election %+v, want it since %v", e, time.Now())
		}
		if i := p.look().Workers[0]; i.Token != term.Token() || i.State != discovery.Ready || i.Node != "a" {
			c.Errorf("worker %+v, want it ready under token %d", i, term.Token())
		}
		time.Sleep(time.Second)
		if err := term.Resign(c.Context()); err != nil {
			c.Error(err)
		}
		synctest.Wait()
		p.mustQueue("worker/w", "b", `"tool on box"`)
		if e, _ = p.look().Election("worker/w"); !e.Since.IsZero() || !e.Seen.Equal(time.Now()) {
			c.Errorf("election %+v, want one whose term has just begun", e)
		}
		if _, ok := p.look().Election("worker/none"); ok {
			c.Error("an election without candidates is shown")
		}
	})
}

func TestCandidatesOfProcessesThatDiedAreGoneWithTheirSession(t *testing.T) {
	inCluster(t, func(c *cluster) {
		a, b := c.node("a"), c.node("b")
		a.stand("m")
		b.stand("m")
		f := c.join(discovery.Config{Observer: true}).follow(c.Context())
		n, _ := f.last().Node(a.NodeID())
		heal := a.conn.Cut()
		if err := engine.End(c.Context(), c.store, n.Session); err != nil {
			c.Fatal(err)
		}
		if got := f.last(); len(got.Nodes) != 1 || !slices.Equal(queue(got, "m"), []string{"b"}) {
			c.Errorf("%+v, want b alone", got)
		}
		heal()
	})
}

// The record of a unit tells of its term, not of another that its candidate has begun since.
func TestSinceIsOfThePresentTerm(t *testing.T) {
	inCluster(t, func(c *cluster) {
		p := c.node("a")
		w := p.register(discovery.Unit{Kind: discovery.Worker, Name: "w"})
		for range 2 {
			term, err := p.Election("worker/w", election.WithID(w.ID())).Campaign(c.Context())
			if err != nil {
				c.Fatal(err)
			}
			synctest.Wait()
			if e, _ := p.look().Election("worker/w"); e.Leader.Token != term.Token() || !e.Since.IsZero() {
				c.Errorf("election %+v, want nothing said of a term that has just begun", e)
			}
			w.Set(discovery.Ready, term.Token())
			time.Sleep(time.Minute)
			if err := term.Resign(c.Context()); err != nil {
				c.Error(err)
			}
		}
	})
}

func TestCandidateIsNamedByItsSessionWhateverItWrote(t *testing.T) {
	inCluster(t, func(c *cluster) {
		p := c.node("a")
		term, err := p.Election("m", election.WithID("anything")).Campaign(c.Context())
		if err != nil {
			c.Fatal(err)
		}
		synctest.Wait()
		p.mustQueue("m", "a")
		if err := term.Resign(c.Context()); err != nil {
			c.Error(err)
		}
	})
}

func TestListsAreInOrder(t *testing.T) {
	inCluster(t, func(c *cluster) {
		p := c.node("z")
		want := []string{"a init", "b init", "c init", "d init", "d init", "e init"}
		for _, name := range []string{"d", "a", "e", "c", "d", "b"} {
			time.Sleep(time.Minute)
			p.register(discovery.Unit{Kind: discovery.Worker, Name: name})
			s := p.register(discovery.Unit{Kind: discovery.Service, Name: name})
			if _, err := s.Publish(discovery.Endpoint{Protocol: "tcp", Address: "x"}); err != nil {
				c.Fatal(err)
			}
			p.stand(name)
			c.node(name)
		}
		synctest.Wait()
		got := p.look()
		if w, s := states(got.Workers), states(got.Services); !slices.Equal(w, want) || !slices.Equal(s, want) {
			c.Errorf("workers %v, services %v, want %v", w, s, want)
		}
		for _, list := range [][]discovery.Instance{got.Workers, got.Services} {
			if !list[3].Started.Before(list[4].Started) {
				c.Errorf("of one name, the older comes second: %+v", list[3:5])
			}
		}
		var nodes, elections, endpoints string
		for _, n := range got.Nodes {
			nodes += n.Name
		}
		for _, e := range got.Elections {
			elections += e.Name
		}
		for _, e := range got.Endpoints {
			endpoints += e.Service
		}
		if nodes != "abcddez" || elections != "abcde" || endpoints != "abcdde" {
			c.Errorf("nodes %s, elections %s, endpoints by service %s", nodes, elections, endpoints)
		}
	})
}
