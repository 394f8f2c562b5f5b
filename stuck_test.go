package singleton_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/engine/ramengine"
)

func TestStuckRunnerIsNamedAndHoldsBackNobodyElse(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		release, named := make(chan struct{}), make(chan singleton.Status, 10)
		stuck, good, r := c.probe("stuck"), c.probe("good"), c.probe("r")
		stuck.run = func(context.Context) error { <-release; return nil }
		good.run, r.run = untilTold(time.Second), untilTold(time.Second)
		a := c.prepare("a", func(config *singleton.Config) { config.OnStuck = func(s singleton.Status) { named <- s } })
		a.run(singleton.Worker("stuck", stuck), singleton.Worker("good", good), singleton.Replica("r", r))
		b := c.node("b", singleton.Worker("good", c.probe("b")), singleton.Worker("stuck", c.probe("b")))
		c.lines = nil
		a.tell()
		c.passTo(29 * time.Second)
		b.is("worker/good", singleton.Ready)
		if s := a.is("worker/stuck", singleton.Stopping); s.Stuck {
			c.Error("stuck before its budget was over")
		}
		c.passTo(time.Hour)
		if s := a.is("worker/stuck", singleton.Stopping); !s.Stuck || s.Token == 0 {
			c.Errorf("status %+v, want stuck", s)
		}
		if s := <-named; s.String() != "worker/stuck" || !s.Stuck || len(named) > 0 {
			c.Errorf("OnStuck was told %+v, and %d more", s, len(named))
		}
		a.is("replica/r", singleton.Stopped)
		b.is("worker/stuck", singleton.Pending) // leadership is held until the runner has returned
		c.lines = slicesAfter(c.lines, "b run")
		c.journal("30s r told stopped", "31s r returns", "31s r shutdown stopped")
		close(release)
		synctest.Wait()
		if s := a.is("worker/stuck", singleton.Stopped); s.Stuck {
			c.Error("stuck still")
		}
		b.is("worker/stuck", singleton.Ready)
	})
}

func TestRunnerThatIsStuckAfterALossHoldsBackNobodyElse(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		release := make(chan struct{})
		stuck := singleton.RunnerFunc(func(context.Context) error { <-release; return nil })
		a := c.node("a", singleton.Worker("stuck", stuck), singleton.Worker("good", c.probe("a")))
		heal := a.conn.Cut()
		c.passTo(time.Minute)
		heal()
		c.passTo(2 * time.Minute)
		a.is("worker/good", singleton.Ready)
		if s := a.is("worker/stuck", singleton.Stopping); !s.Stuck {
			c.Errorf("status %+v, want stuck", s)
		}
		close(release)
		c.pass(0)
		if s := a.status("worker/stuck"); s.Stuck {
			c.Errorf("status %+v: stuck still", s)
		}
	})
}

// A stuck runner that then loses its term is as stuck as before, and who waits for it has been told.
func TestRunnerThatIsStuckAndThenLosesItsTermIsNamedOnce(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		release, named := make(chan struct{}), 0
		stuck := singleton.RunnerFunc(func(context.Context) error { <-release; return nil })
		a := c.prepare("a", func(config *singleton.Config) { config.OnStuck = func(singleton.Status) { named++ } })
		a.run(singleton.Worker("w", stuck))
		a.tell()
		c.passTo(40 * time.Second)
		defer a.conn.Cut()()
		c.pass(time.Hour)
		if s := a.is("worker/w", singleton.Stopping); !s.Stuck || named != 1 {
			c.Errorf("status %+v, named %d times, want once", s, named)
		}
		close(release)
		<-a.over
		a.err = nil // it could not tell the store
	})
}

func TestRunnerThatIsStuckAlreadyHoldsBackNoStop(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		release := make(chan struct{})
		stuck := singleton.RunnerFunc(func(context.Context) error { <-release; return nil })
		r := c.probe("r")
		a := c.node("a", singleton.Worker("w", stuck), singleton.Replica("r", r))
		heal := a.conn.Cut()
		c.passTo(time.Minute)
		heal()
		if s := a.is("worker/w", singleton.Stopping); !s.Stuck {
			c.Errorf("status %+v, want stuck", s)
		}
		a.tell()
		c.pass(0)
		a.is("replica/r", singleton.Stopped)
		close(release)
	})
}

func TestStartupThatIgnoresItsContextIsStuckAndHoldsBackNobodyElse(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		p, release := c.probe("a"), make(chan struct{})
		p.startup = func(context.Context) error { <-release; return nil }
		a := c.node("a", p.worker(), singleton.Worker("good", singleton.RunnerFunc(p.run)))
		b := c.node("b", c.probe("b").worker(), singleton.Worker("good", c.probe("b good")))
		c.pass(time.Minute)
		a.tell()
		c.pass(time.Minute)
		if s := a.is("worker/w", singleton.Stopping); !s.Stuck {
			c.Errorf("status %+v, want stuck", s)
		}
		b.is("worker/w", singleton.Pending)
		b.is("worker/good", singleton.Ready)
		close(release)
		c.pass(0)
		a.is("worker/w", singleton.Stopped)
		b.is("worker/w", singleton.Ready)
		c.lines = slicesAfter(c.lines, "good run")
		c.journal("2m0s a shutdown stopped", "2m0s b startup", "2m0s b run")
	})
}

func TestShutdownThatIgnoresItsContextIsStuckAndKeepsTheTerm(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		p, release := c.probe("a"), make(chan struct{})
		p.shutdown = func(ctx context.Context, _ error) error {
			<-ctx.Done()
			c.note("budget is over: %v", context.Cause(ctx))
			<-release
			return nil
		}
		a, b := c.node("a", p.worker()), c.node("b", c.probe("b").worker())
		a.tell()
		c.pass(time.Hour)
		if s := a.is("worker/w", singleton.Stopping); !s.Stuck || s.Token == 0 {
			c.Errorf("status %+v, want stuck with its token", s)
		}
		b.is("worker/w", singleton.Pending)
		close(release)
		c.pass(0)
		b.is("worker/w", singleton.Ready)
		c.lines = slicesAfter(c.lines, "shutdown")
		c.journal("30s budget is over: context deadline exceeded", "1h0m0s b startup", "1h0m0s b run")
	})
}

// A failure ends the run, and what comes after has a budget like any end.
func TestShutdownAfterAFailureHasABudgetToo(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		p := c.probe("a")
		p.run = func(context.Context) error { return errors.New("broken") }
		p.shutdown = func(ctx context.Context, _ error) error { <-ctx.Done(); return nil }
		a := c.node("a", p.worker(singleton.WithGrace(time.Minute)))
		c.passTo(59 * time.Second)
		if s := a.is("worker/w", singleton.Error); s.Token == 0 {
			c.Errorf("status %+v: the term ended before Shutdown had returned", s)
		}
		c.passTo(time.Minute)
		if s := a.is("worker/w", singleton.Error); s.Token != 0 {
			c.Errorf("status %+v, want it to rest", s)
		}
	})
}

func TestStuckRunnerIsNamedInTheLog(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		var log bytes.Buffer
		release := make(chan struct{})
		a := c.prepare("a", func(config *singleton.Config) { config.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		a.run(singleton.Worker("deaf", singleton.RunnerFunc(func(context.Context) error { <-release; return nil })))
		time.AfterFunc(time.Hour, func() { close(release) })
		a.stop()
		lines := 0
		for line := range strings.Lines(log.String()) {
			if strings.Contains(line, "runner is stuck") {
				lines++
				for _, part := range []string{"level=ERROR", "unit=worker/deaf", "token=", errTold.Error()} {
					if !strings.Contains(line, part) {
						c.Errorf("%s doesn't say %q", line, part)
					}
				}
			}
		}
		if lines != 1 {
			c.Errorf("said %d times, want once:\n%s", lines, log.String())
		}
	})
}

// With this variable set, the test is the program whose runner is stuck.
const stuckProgram = "SINGLETON_TEST_STUCK"

func TestPolicyForStuckRunnersMayEndTheProcess(t *testing.T) {
	t.Parallel()
	if os.Getenv(stuckProgram) != "" {
		rt, err := singleton.New(ramengine.New(), singleton.Config{
			Prefix: "/t", Grace: time.Millisecond,
			OnStuck: func(s singleton.Status) {
				if s.String() == "worker/deaf" && s.Stuck {
					os.Exit(7)
				}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		t.Fatal(rt.Run(ctx, singleton.Worker("deaf", singleton.RunnerFunc(func(context.Context) error { cancel(); select {} }))))
	}
	program := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	program.Env = append(os.Environ(), stuckProgram+"=yes")
	out, err := program.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Errorf("the program ended with %v, want exit code 7:\n%s", err, out)
	}
}
