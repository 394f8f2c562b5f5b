package singleton_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/election"
	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/enginetest"
)

// serving is a service named "s" that publishes this address in Startup.
func (c *cluster) serving(who, address string) (*probe, singleton.Unit) {
	p := c.probe(who)
	p.startup = func(ctx context.Context) error {
		return singleton.Publish(ctx, singleton.Endpoint{Protocol: "http", Address: address})
	}
	return p, singleton.Service("s", p)
}

// endpoints returns the addresses and tokens that the store has.
func (c *cluster) endpoints() (all []string) {
	c.Helper()
	synctest.Wait()
	for key, value := range c.records() {
		if strings.HasPrefix(key, "/t/endpoint/") {
			found := regexp.MustCompile(`"endpoint":"([^"]*)".*"token":"(\d+)"`).FindStringSubmatch(value)
			all = append(all, fmt.Sprint(found[1:]))
		}
	}
	slices.Sort(all)
	return all
}

// records returns what the store holds.
func (c *cluster) records() map[string]string {
	c.Helper()
	all := map[string]string{}
	for u, err := range c.store.Watch(c.Context(), engine.WatchOptions{}) {
		if err != nil {
			c.Fatal(err)
		}
		for _, change := range u.Changes {
			all[change.Record.Key] = string(change.Record.Value)
		}
		break
	}
	return all
}

// wantEndpoints checks which addresses the store has, each under the present token of the service.
func (c *cluster) wantEndpoints(addresses ...string) {
	c.Helper()
	got, want := c.endpoints(), make([]string, 0, len(addresses))
	for _, a := range addresses {
		want = append(want, fmt.Sprintf("[%s %d]", a, c.token["service/s"]))
	}
	if !slices.Equal(got, want) {
		c.Errorf("%v: the endpoints are %v, want %v", c.now(), got, want)
	}
}

func TestEndpointIsThereWhileTheServiceIsReady(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		p, unit := c.serving("a", "a:1")
		publish := p.startup
		p.startup = func(ctx context.Context) error {
			defer time.Sleep(time.Second)
			return publish(ctx)
		}
		p.run = func(ctx context.Context) error {
			defer time.Sleep(5 * time.Second)
			time.Sleep(time.Second)
			err := singleton.Publish(ctx, singleton.Endpoint{Protocol: "grpc", Address: "a:2"})
			<-ctx.Done()
			return err
		}
		a := c.node("a", unit)
		c.wantEndpoints()
		c.passTo(time.Second)
		c.wantEndpoints("a:1")
		c.passTo(2 * time.Second)
		c.wantEndpoints("a:1", "a:2")
		c.passTo(time.Hour)
		c.wantEndpoints("a:1", "a:2")
		a.tell()
		c.wantEndpoints() // while the runner drains
		a.is("service/s", singleton.Stopping)
	})
}

// Who sees that the term has ended must not find an endpoint of it any more.
func TestEndpointIsGoneBeforeTheTermEnds(t *testing.T) {
	t.Parallel()
	for how, end := range map[string]func(*node) error{
		"asked":       func(n *node) error { return n.rt.Discovery().Election("service/s").Ask(n.c.Context(), election.Wish{}) },
		"uninstalled": func(n *node) error { return n.rt.Uninstall(n.c.Context(), "service/s") },
		"finished":    func(*node) error { return nil },
		"failed":      func(*node) error { return nil },
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			inCluster(t, func(c *cluster) {
				p, unit := c.serving("a", "a:1")
				switch how {
				case "finished":
					p.run = after(time.Second)
				case "failed":
					p.run = func(context.Context) error { time.Sleep(time.Second); return errors.New("broken") }
				}
				a := c.node("a", unit)
				_, unit = c.serving("b", "b:1")
				c.node("b", unit)
				gone := c.watchDeletions()
				a.conn.Decide(func(call enginetest.Call) (f enginetest.Fate) {
					if call.Op == enginetest.OpDelete && strings.HasPrefix(call.Key, "/t/endpoint/") {
						f.Request = time.Second / 2
					}
					return f
				})
				c.pass(time.Second)
				if err := end(a); err != nil {
					c.Error(err)
				}
				c.pass(time.Second)
				c.wantEndpoints("b:1")
				seen := gone()
				endpoint, candidate := slices.Index(seen, "endpoint"), slices.Index(seen, "candidate")
				if endpoint < 0 || candidate < endpoint {
					c.Errorf("the deletions are %v, want the endpoint before the candidate", seen)
				}
			})
		})
	}
}

// watchDeletions notes what kinds of records are deleted, in the order of the store.
func (c *cluster) watchDeletions() (stop func() []string) {
	ctx, cancel := context.WithCancel(c.Context())
	var kinds []string
	done := make(chan struct{})
	go func() {
		defer close(done)
		for u, err := range c.store.Watch(ctx, engine.WatchOptions{}) {
			if err != nil {
				c.Error(err)
			}
			for _, change := range u.Changes {
				switch key := change.Record.Key; {
				case !change.Deleted:
				case strings.HasPrefix(key, "/t/endpoint/"):
					kinds = append(kinds, "endpoint")
				case strings.HasPrefix(key, "election//t/singleton/"):
					kinds = append(kinds, "candidate")
				}
			}
		}
	}()
	synctest.Wait()
	return func() []string { cancel(); <-done; return kinds }
}

func TestEndpointOfATermThatWasLostIsGoneForGood(t *testing.T) {
	t.Parallel()
	for how, away := range map[string]time.Duration{"with its session": 3 * ttl, "though the session lives": stopLine + time.Second} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			inCluster(t, func(c *cluster) {
				_, unit := c.serving("a", "a:1")
				a := c.node("a", unit)
				c.wantEndpoints("a:1")
				for range 3 {
					heal := a.conn.Cut()
					c.pass(away)
					if s := a.status("service/s"); s.State == singleton.Ready {
						c.Errorf("status %+v: it has not lost its term", s)
					}
					heal()
					c.pass(ttl)
					a.is("service/s", singleton.Ready)
					c.wantEndpoints("a:1") // of the new term alone
				}
			})
		})
	}
}

func TestEndpointOfAStartupThatBreaksNeverAppears(t *testing.T) {
	t.Parallel()
	for how, broken := range breaks {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			inCluster(t, func(c *cluster) {
				p, _ := c.serving("a", "a:1")
				startup := func(ctx context.Context) error {
					if err := p.startup(ctx); err != nil {
						return err
					}
					return broken()
				}
				deleted := c.watchDeletions()
				c.node("a", singleton.Service("s", struct {
					singleton.Runner
					singleton.Starter
				}{p, starter(startup)}))
				c.pass(time.Hour)
				c.wantEndpoints()
				if slices.Contains(deleted(), "endpoint") {
					c.Error("an endpoint was there for a while")
				}
			})
		})
	}
}

func TestStopOfAServiceWhoseEndpointCannotBeRemovedIsBounded(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		_, unit := c.serving("a", "a:1")
		a := c.node("a", unit)
		defer a.conn.Cut()()
		a.tell()
		<-a.over
		if took := c.now(); a.err == nil || took > 6*time.Second {
			c.Errorf("Run returned %v after %v, want an error soon", a.err, took)
		}
		a.err = nil
	})
}

func TestPublishRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		good := singleton.Endpoint{Protocol: "http", Address: "a:1"}
		refuses := func(ctx context.Context, e singleton.Endpoint, want string) {
			c.Helper()
			if err := singleton.Publish(ctx, e); err == nil || !strings.Contains(err.Error(), want) {
				c.Errorf("error %v, want ... %s ...", err, want)
			}
		}
		refuses(c.Context(), good, "not the context of a runner")
		tries := func(then func(ctx context.Context)) singleton.Runner {
			return singleton.RunnerFunc(func(ctx context.Context) error { then(ctx); <-ctx.Done(); return nil })
		}
		a := c.node("a",
			singleton.Worker("w", tries(func(ctx context.Context) { refuses(ctx, good, "worker/w: only a service") })),
			singleton.Replica("r", tries(func(ctx context.Context) { refuses(ctx, good, "replica/r: only a service") })),
			singleton.Service("s", tries(func(ctx context.Context) {
				refuses(ctx, singleton.Endpoint{Protocol: "http"}, "service/s: Address: empty")
				refuses(ctx, singleton.Endpoint{Address: "a:1"}, "Protocol: empty")
				refuses(ctx, singleton.Endpoint{Protocol: "http", Address: "a:1", Weight: -1}, "Weight -1")
				refuses(ctx, singleton.Endpoint{Protocol: "http", Address: "a:1", ID: "x"}, `ID "x": must be empty`)
				refuses(ctx, singleton.Endpoint{
					Protocol: "http", Address: "a:1",
					Labels: map[string]string{discovery.TokenLabel: "7"},
				}, `"token" is "7"`)
				refuses(ctx, singleton.Endpoint{Protocol: "http", Address: strings.Repeat("a", 1<<20)}, "record of")
				<-ctx.Done()
				if err := singleton.Publish(ctx, good); !errors.Is(err, singleton.ErrStopped) {
					c.Errorf("after the end Publish returned %v, want its cause", err)
				}
			})))
		a.stop()
		if got := c.endpoints(); got != nil {
			c.Errorf("the endpoints are %v, want none", got)
		}
	})
}

func TestEndpointsRecordIsThatOfTheOriginalWithTheTermsToken(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		p := c.probe("a")
		labels, codecs := map[string]string{"zone": "b"}, []string{"json"}
		p.startup = func(ctx context.Context) error {
			err := singleton.Publish(ctx, singleton.Endpoint{
				Protocol: "grpc", Address: "10.0.0.7:9090", Labels: labels, Codecs: codecs, Weight: 3,
			})
			if len(labels) != 1 {
				c.Errorf("the caller's labels are %v now", labels)
			}
			labels["zone"], codecs[0] = "the caller's own", "again"
			return err
		}
		a := c.prepare("a", func(config *singleton.Config) { config.Version = "1.2.3" })
		a.run(singleton.Service("s", p))
		c.pass(0)
		id := `[0-9a-f-]{36}`
		want := regexp.MustCompile(fmt.Sprintf(`^{"id":"(%s)","protocol":"grpc","endpoint":"10\.0\.0\.7:9090","state":3,`+
			`"labels":{"token":"%d","zone":"b"},"codecs":\["json"\],"targetId":"(%s)","targetName":"s","weight":3,"version":"1\.2\.3"}$`,
			id, c.token["service/s"], id))
		for key, value := range c.records() {
			if !strings.HasPrefix(key, "/t/endpoint/") {
				continue
			}
			found := want.FindStringSubmatch(value)
			if found == nil || key != "/t/endpoint/"+found[1] || c.records()["/t/service/"+found[2]] == "" {
				c.Errorf("%s is %s", key, value)
			}
		}
		for target, err := range a.rt.Discovery().Follow(c.Context(), "s") {
			if err != nil || target.Token != c.token["service/s"] || len(target.Endpoints) != 1 {
				c.Errorf("a follower gets %+v, %v", target, err)
			}
			break
		}
	})
}
