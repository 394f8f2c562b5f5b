package singleton_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/election"
	"github.com/singleton-go/singleton/engine/ramengine"
	"github.com/singleton-go/singleton/schedule"
)

func TestUnitsComeAndGoWhileTheRuntimeRuns(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		a := c.prepare("a")
		if err := a.rt.Install(singleton.Worker("kept", c.probe("kept"))); err != nil {
			c.Error(err)
		}
		if err := a.rt.Install(singleton.Worker("dropped", c.probe("dropped"))); err != nil {
			c.Error(err)
		}
		if err := a.rt.Uninstall(c.Context(), "worker/dropped"); err != nil {
			c.Error(err)
		}
		a.is("worker/kept", singleton.Init)
		if a.rt.Discovery() != nil {
			c.Error("the discovery is open before Run")
		}
		a.run()
		for range 2 {
			if err := a.rt.Install(c.probe("late").worker()); err != nil {
				c.Error(err)
			}
			c.pass(0)
			a.is("worker/w", singleton.Ready)
			if err := a.rt.Uninstall(c.Context(), "worker/w"); err != nil {
				c.Error(err)
			}
		}
		if err := a.rt.Uninstall(c.Context(), "worker/w"); err == nil {
			c.Error("what isn't installed was uninstalled")
		}
		once := []string{"0s late startup", "0s late run", "0s late told stopped", "0s late returns", "0s late shutdown stopped"}
		c.journal(append(append([]string{"0s kept startup", "0s kept run"}, once...), once...)...)
		a.stop()
		if err := a.rt.Install(c.probe("later").worker()); !errors.Is(err, singleton.ErrStopped) {
			c.Errorf("Install after Run returned %v, want ErrStopped", err)
		}
		if err := a.rt.Run(c.Context()); err == nil {
			c.Error("Run ran again")
		}
	})
}

func TestOthersSeeEachUnitInItsState(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		p := c.probe("a")
		p.startup = after(10 * time.Second)
		p.run = func(ctx context.Context) error {
			if c.now() > time.Minute {
				return errors.New("broken")
			}
			<-ctx.Done()
			return nil
		}
		labels := map[string]string{"zone": "1"}
		options := []singleton.Option{
			singleton.WithAlias("the one"), singleton.WithLabels(labels), singleton.WithBackoff(time.Hour, time.Hour),
		}
		a := c.node("a", singleton.Service("s", p, options...))
		other := singleton.Service("s", p, options...)
		labels["zone"] = "the caller's own again"
		b := c.node("b", other)
		c.node("looks")
		c.pass(time.Second)
		seen := func() (all []string) {
			cluster, err := c.nodes[2].rt.Discovery().Cluster(c.Context())
			if err != nil {
				c.Fatal(err)
			}
			for _, i := range cluster.Services {
				token := map[uint64]string{0: "without a token", c.token["service/s"]: "with its token"}[i.Token]
				all = append(all, fmt.Sprintf("%s %s %s %s %v %s", i.Node, i.Name, i.Alias, i.Labels["zone"], i.State, token))
			}
			return sorted(all)
		}
		want := func(lines ...string) {
			c.Helper()
			if got := seen(); strings.Join(got, "\n") != strings.Join(lines, "\n") {
				c.Errorf("the services are %q, want %q", got, lines)
			}
		}
		want("a s the one 1 pending with its token", "b s the one 1 pending without a token")
		c.pass(10 * time.Second)
		want("a s the one 1 ready with its token", "b s the one 1 pending without a token")
		c.passTo(2 * time.Minute)
		a.stop()
		c.pass(time.Second)
		want("b s the one 1 pending with its token")
		c.pass(10 * time.Second)
		want("b s the one 1 error without a token")
		if err := b.rt.Uninstall(c.Context(), "service/s"); err != nil {
			c.Error(err)
		}
		c.pass(time.Second)
		want()
	})
}

func TestWhatIsWrongIsRefusedBeforeAnythingStarts(t *testing.T) {
	t.Parallel()
	run := singleton.RunnerFunc(func(context.Context) error { t.Error("something was started"); return nil })
	for _, c := range []struct {
		units []singleton.Unit
		want  string
	}{
		{[]singleton.Unit{singleton.Worker("a", run), singleton.Worker("a", run)}, `worker "a": installed already`},
		{[]singleton.Unit{{}}, `unit: empty`},
		{[]singleton.Unit{singleton.Worker("", run)}, `worker: empty`},
		{[]singleton.Unit{singleton.Service("a/b", run)}, `service "a/b": has '/'`},
		{[]singleton.Unit{singleton.Replica("a/b", run)}, `replica "a/b": has '/'`},
		{[]singleton.Unit{singleton.Service("node", run)}, `service "node": every node has`},
		{[]singleton.Unit{singleton.Worker("a", nil)}, `worker "a": Runner: nil`},
		{[]singleton.Unit{singleton.Worker("a", singleton.RunnerFunc(nil))}, `worker "a": Runner: nil`},
		{[]singleton.Unit{singleton.Replica("a", schedule.Every(0, run))}, `replica "a": schedule: interval 0s: must be positive`},
		{[]singleton.Unit{singleton.Replica("a", schedule.Every(1, nil))}, `replica "a": schedule: function: nil`},
		{[]singleton.Unit{singleton.Replica("a", run, singleton.WithTakeoverDelay(1))}, `replica "a": TakeoverDelay 1ns:`},
		{[]singleton.Unit{singleton.Worker("a", run, singleton.WithTakeoverDelay(-1))}, `worker "a": TakeoverDelay -1ns:`},
		{[]singleton.Unit{singleton.Worker("a", run, singleton.WithLabels(map[string]string{"k": "v"}))}, `Labels map[k:v]: only a service`},
		{[]singleton.Unit{singleton.Worker("a", run, nil)}, `worker "a": Option: nil`},
		{[]singleton.Unit{singleton.Worker("a", run, singleton.WithGrace(0))}, `worker "a": Grace 0s: must be positive`},
		{[]singleton.Unit{singleton.Worker("a", run, singleton.WithBackoff(2, 1))}, `worker "a": Backoff 2ns, limit 1ns:`},
		{[]singleton.Unit{singleton.Worker("a", run), singleton.Service("b", run,
			singleton.WithLabels(map[string]string{"k": strings.Repeat("v", 1<<20)}))}, `service "b": record of`},
	} {
		rt, err := singleton.New(ramengine.New(), singleton.Config{Prefix: "/t"})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // so that Run returns where it should refuse
		if err := rt.Run(ctx, c.units...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Run returned %v, want ... %s ...", err, c.want)
		}
		if err := rt.Run(ctx); err != nil || len(rt.Status()) != 0 {
			t.Errorf("after a refusal Run returned %v, and the units are %v", err, rt.Status())
		}
	}
}

func TestSameNameMayBeUsedForUnitsOfEachKind(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		a := c.node("a", c.probe("w").worker(), singleton.Service("w", c.probe("s")), singleton.Replica("w", c.probe("r")),
			singleton.Worker("v", c.probe("v")))
		var names []string
		for _, s := range a.rt.Status() {
			a.is(s.String(), singleton.Ready)
			names = append(names, s.String())
		}
		if want := []string{"replica/w", "service/w", "worker/v", "worker/w"}; !slices.Equal(names, want) {
			c.Errorf("the units are %v, want %v", names, want)
		}
	})
}

func TestUnitInWhoseElectionTheProgramStandsFailsUntilThatIsOver(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		a := c.node("a")
		term, err := a.rt.Discovery().Election("worker/w").Campaign(c.Context())
		if err != nil {
			c.Fatal(err)
		}
		backoff := singleton.WithBackoff(time.Minute, time.Minute)
		for range 2 {
			if err := a.rt.Install(c.probe("a").worker(backoff)); err != nil {
				c.Fatal(err)
			}
			c.pass(0)
			if s := a.is("worker/w", singleton.Error); !errors.Is(s.Err, election.ErrCandidate) || s.Failures != 1 {
				c.Errorf("status %+v, want it to say what is in the way", s)
			}
			if err := a.rt.Uninstall(c.Context(), "worker/w"); err != nil || c.now() > 0 {
				c.Errorf("%v: uninstalled with %v, want at once", c.now(), err)
			}
		}
		if err := a.rt.Install(c.probe("a").worker(backoff)); err != nil {
			c.Fatal(err)
		}
		c.pass(time.Second)
		if err := term.Resign(c.Context()); err != nil {
			c.Error(err)
		}
		c.pass(2 * time.Minute)
		a.is("worker/w", singleton.Ready)
	})
}

func TestNewRefusesBadSettings(t *testing.T) {
	t.Parallel()
	for want, config := range map[string]singleton.Config{
		`prefix: empty`:        {},
		`prefix "/a/":`:        {Prefix: "/a/"},
		`Grace -1ns:`:          {Prefix: "/a", Grace: -1},
		`TTL 10s is too short`: {Prefix: "/a", Timing: discovery.Timing{Drain: 6 * time.Second}},
		// client-go takes 6, 5 and 4 s, and lets two work at the same time under them.
		`TTL 6s is too short: Renewal 4s`: {Prefix: "/a", Timing: discovery.Timing{TTL: 6 * time.Second, Renewal: 4 * time.Second}},
		`Drift 2:`:                        {Prefix: "/a", Timing: discovery.Timing{Drift: 2}},
	} {
		if _, err := singleton.New(ramengine.New(), config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New returned %v, want ... %s ...", err, want)
		}
	}
	if _, err := singleton.New(nil, singleton.Config{Prefix: "/a"}); err == nil || !strings.Contains(err.Error(), "engine: nil") {
		t.Errorf("New without an engine returned %v", err)
	}
}

func TestRunnersSeeTheValuesOfTheContextAndTheirLogger(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		type key struct{}
		ctx, cancel := context.WithCancel(context.WithValue(c.Context(), key{}, "value"))
		look := singleton.RunnerFunc(func(ctx context.Context) error {
			c.note("%v %v", ctx.Value(key{}), singleton.LoggerFrom(ctx) != nil)
			return nil
		})
		a := c.prepare("a")
		time.AfterFunc(time.Second, cancel)
		if err := a.rt.Run(ctx, singleton.Worker("w", look), singleton.Replica("r", look)); err != nil {
			c.Error(err)
		}
		a.conn.Close()
		c.journal("0s value true", "0s value true")
		singleton.LoggerFrom(context.Background()).Error("goes nowhere")
	})
}
