package singleton_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/singleton-go/singleton"
)

// How a part of a runner can break.
var breaks = map[string]func() error{
	"error":  func() error { return errors.New("broken") },
	"panic":  func() error { panic(io.ErrUnexpectedEOF) },
	"goexit": func() error { runtime.Goexit(); return nil },
}

// wantBroken checks that the status says how the runner broke.
func wantBroken(t *testing.T, how string, s singleton.Status) {
	t.Helper()
	if s.Err == nil || s.Failures != 1 || s.Failed.IsZero() {
		t.Errorf("status %+v: does not tell what happened", s)
	}
	if panicked := how == "panic"; panicked != errors.Is(s.Err, io.ErrUnexpectedEOF) || panicked != strings.Contains(s.Stack, "broken_test.go") {
		t.Errorf("status %+v, want the value and the stack of a panic", s)
	}
}

func TestBrokenRunIsShutDownOnceAndAnotherNodeTakesOver(t *testing.T) {
	t.Parallel()
	for how, broken := range breaks {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			inCluster(t, func(c *cluster) {
				p := c.probe("a")
				p.run = func(context.Context) error { time.Sleep(time.Second); return broken() }
				p.shutdown = func(_ context.Context, why error) error {
					if why == nil {
						c.Error("Shutdown is not told why")
					}
					return nil
				}
				a, b := c.node("a", p.worker()), c.node("b", c.probe("b").worker())
				c.pass(time.Second)
				wantBroken(t, how, a.is("worker/w", singleton.Error))
				b.is("worker/w", singleton.Ready)
				c.pass(2 * time.Second)
				a.is("worker/w", singleton.Pending)
				c.lines[3] = "1s a shutdown ..."
				c.journal("0s a startup", "0s a run", "1s a returns", "1s a shutdown ...", "1s b startup", "1s b run")
			})
		})
	}
}

func TestBrokenStartupIsNotShutDownAndAnotherNodeTakesOver(t *testing.T) {
	t.Parallel()
	for how, broken := range breaks {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			inCluster(t, func(c *cluster) {
				a := c.node("a", singleton.Worker("w", struct {
					singleton.Runner
					singleton.Starter
					singleton.Stopper
				}{c.probe("a"), starter(func(context.Context) error { return broken() }), c.probe("a")}))
				b := c.node("b", c.probe("b").worker())
				wantBroken(t, how, a.is("worker/w", singleton.Error))
				b.is("worker/w", singleton.Ready)
				c.journal("0s b startup", "0s b run")
			})
		})
	}
}

type starter func(context.Context) error

func (s starter) Startup(ctx context.Context) error { return s(ctx) }

func TestBrokenShutdownStillResignsAtOnce(t *testing.T) {
	t.Parallel()
	for how, broken := range breaks {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			inCluster(t, func(c *cluster) {
				p := c.probe("a")
				p.shutdown = func(context.Context, error) error { return broken() }
				a := c.node("a", p.worker())
				b := c.node("b", c.probe("b").worker())
				c.pass(time.Second)
				a.stop()
				c.pass(0)
				wantBroken(t, how, a.is("worker/w", singleton.Stopped))
				b.is("worker/w", singleton.Ready)
				c.journal("0s a startup", "0s a run", "1s a told stopped", "1s a returns", "1s a shutdown stopped",
					"1s b startup", "1s b run")
			})
		})
	}
}

func TestRunnerThatBreaksWhileStoppingStillResignsAtOnce(t *testing.T) {
	t.Parallel()
	for how, broken := range breaks {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			inCluster(t, func(c *cluster) {
				p := c.probe("a")
				p.run = func(ctx context.Context) error { <-ctx.Done(); return broken() }
				a, b := c.node("a", p.worker()), c.node("b", c.probe("b").worker())
				c.pass(time.Second)
				a.stop()
				c.pass(0)
				s := a.is("worker/w", singleton.Stopped)
				if how == "error" {
					if s.Err != nil {
						t.Errorf("status %+v: an error after the end counts as a failure", s)
					}
				} else {
					wantBroken(t, how, s)
				}
				b.is("worker/w", singleton.Ready)
			})
		})
	}
}

func TestPanicInRunAndInShutdownAreBothReported(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		p := c.probe("a")
		p.run = func(context.Context) error { return io.ErrClosedPipe }
		p.shutdown = func(context.Context, error) error { panic(io.ErrUnexpectedEOF) }
		a := c.node("a", p.worker())
		s := a.is("worker/w", singleton.Error)
		if !errors.Is(s.Err, io.ErrClosedPipe) || !errors.Is(s.Err, io.ErrUnexpectedEOF) || s.Stack == "" || s.Failures != 1 {
			t.Errorf("status %+v, want one failure with both errors", s)
		}
	})
}

func TestFailureIsLoggedAndAPanicWithItsStack(t *testing.T) {
	t.Parallel()
	for how, broken := range breaks {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			inCluster(t, func(c *cluster) {
				var log bytes.Buffer
				p := c.probe("a")
				p.run = func(context.Context) error { return broken() }
				p.shutdown = func(context.Context, error) error { return broken() }
				a := c.prepare("a", func(config *singleton.Config) { config.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
				a.run(p.worker(singleton.WithBackoff(time.Hour, time.Hour))).stop()
				for _, message := range []string{`msg="runner failed"`, `msg="shutdown failed"`} {
					_, line, found := strings.Cut(log.String(), message)
					line, _, _ = strings.Cut(line, "\n")
					if !found || !strings.Contains(line, "unit=worker/w") || !strings.Contains(line, "token=") || !strings.Contains(line, "err=") {
						t.Errorf("the log doesn't say %s, of which unit and why:\n%s", message, log.String())
					}
					if strings.Contains(line, "stack=") != (how == "panic") || strings.Contains(line, "broken_test.go") != (how == "panic") {
						t.Errorf("%s: %s", message, line)
					}
				}
			})
		})
	}
}

func TestBrokenUnitTouchesNoOther(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		units := []singleton.Unit{
			singleton.Worker("good", c.probe("good")), singleton.Replica("good", c.probe("replica")),
		}
		for how, broken := range breaks {
			units = append(units,
				singleton.Worker(how, singleton.RunnerFunc(func(context.Context) error { return broken() })),
				singleton.Replica(how, singleton.RunnerFunc(func(context.Context) error { return broken() })))
		}
		a := c.node("a", units...)
		c.pass(time.Hour)
		for _, unit := range []string{"worker/good", "replica/good"} {
			if s := a.is(unit, singleton.Ready); s.Since != c.start || s.Failures != 0 {
				c.Errorf("%s: status %+v, want ready since 0s", unit, s)
			}
		}
		for how := range breaks {
			for _, kind := range []string{"worker/", "replica/"} {
				if s := a.status(kind + how); s.Failures < 50 {
					c.Errorf("%s%s was tried %d times in an hour", kind, how, s.Failures)
				}
			}
		}
	})
}

func TestReplicaRunsInEveryProcessWithoutATerm(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		for _, name := range []string{"a", "b"} {
			p := c.probe(name)
			p.run = func(ctx context.Context) error {
				if _, ok := singleton.TermFrom(ctx); ok {
					c.Error("a replica has a term")
				}
				<-ctx.Done()
				return nil
			}
			n := c.node(name, singleton.Replica("r", p))
			defer n.conn.Cut()()
			c.pass(time.Hour)
			n.is("replica/r", singleton.Ready)
		}
		c.journal("0s a startup", "0s a run", "1h0m0s b startup", "1h0m0s b run")
		for _, n := range c.nodes {
			n.tell()
			<-n.over // it can't say goodbye
			n.err = nil
		}
	})
}
