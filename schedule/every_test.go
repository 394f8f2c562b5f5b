package schedule_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/engine/ramengine"
	"github.com/singleton-go/singleton/schedule"
)

// begins runs a schedule of one minute for this long, and returns when its calls began. The n-th call is given n, from 0.
func begins(t *testing.T, runFor time.Duration, call func(n int) error, o ...schedule.Option) (all []time.Duration) {
	t.Helper()
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), runFor)
	defer cancel()
	runner := schedule.Every(time.Minute, func(context.Context) error {
		all = append(all, time.Since(start))
		return call(len(all) - 1)
	}, o...)
	if err := runner.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Run returned %v, want the end of its context", err)
	}
	return all
}

func TestRhythm(t *testing.T) {
	t.Parallel()
	lasting := func(each ...time.Duration) func(int) error {
		return func(n int) error {
			if n < len(each) {
				time.Sleep(each[n])
			}
			return nil
		}
	}
	const m = time.Minute
	for name, c := range map[string]struct {
		runFor time.Duration
		call   func(int) error
		o      []schedule.Option
		want   []time.Duration
	}{
		"begins at once":                  {4*m - 1, lasting(), nil, []time.Duration{0, m, 2 * m, 3 * m}},
		"begins after an interval":        {4*m - 1, lasting(), []schedule.Option{schedule.AfterInterval()}, []time.Duration{m, 2 * m, 3 * m}},
		"goes from start to start":        {4*m - 1, lasting(m/2, m/3, m-1), nil, []time.Duration{0, m, 2 * m, 3 * m}},
		"an overlong call makes one skip": {6*m - 1, lasting(m + 1), nil, []time.Duration{0, 2 * m, 3 * m, 4 * m, 5 * m}},
		"a very long call makes more":     {7*m - 1, lasting(0, 3*m+m/2), nil, []time.Duration{0, m, 5 * m, 6 * m}},
		"a call of one interval none":     {4*m - 1, lasting(m, m), nil, []time.Duration{0, m, 2 * m, 3 * m}},
		"a call of two intervals one":     {5*m - 1, lasting(2 * m), nil, []time.Duration{0, 2 * m, 3 * m, 4 * m}},
		"an error changes nothing": {
			4*m - 1, func(int) error { return errors.New("broken") }, nil,
			[]time.Duration{0, m, 2 * m, 3 * m},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				if got := begins(t, c.runFor, c.call, c.o...); !slices.Equal(got, c.want) {
					t.Errorf("calls began at %v, want %v", got, c.want)
				}
			})
		})
	}
}

func TestWhatCannotWorkIsRefusedBeforeItStarts(t *testing.T) {
	t.Parallel()
	never := func(context.Context) error { t.Error("called"); return nil }
	for want, runner := range map[string]singleton.Runner{
		"interval 0s: must be positive":   schedule.Every(0, never),
		"interval -1ns: must be positive": schedule.Every(-1, never, schedule.AfterInterval()),
		"function: nil":                   schedule.Every(time.Minute, nil),
	} {
		if err := runner.(singleton.Checker).Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want ... %s", err, want)
		}
	}
}

func TestCallUnderWayIsToldAndWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		start, calls := time.Now(), 0
		run := schedule.Every(time.Minute, func(ctx context.Context) error {
			if calls++; calls == 2 {
				<-ctx.Done()
				time.Sleep(time.Hour)
			}
			return nil
		})
		if err := run.Run(ctx); err == nil || time.Since(start) != time.Hour+90*time.Second || calls != 2 {
			t.Errorf("after %v and %d calls Run returned %v", time.Since(start), calls, err)
		}
	})
}

func TestNothingIsCalledOnceTheContextHasEnded(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	run := schedule.Every(time.Minute, func(context.Context) error { t.Error("called"); return nil })
	for range 100 {
		if err := run.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
	}
}

// runAsUnit runs a worker named "job" for a while, and returns its status and what was logged.
func runAsUnit(t *testing.T, runner singleton.Runner, runFor time.Duration) (singleton.Status, string) {
	t.Helper()
	var log bytes.Buffer
	rt, err := singleton.New(ramengine.New(), singleton.Config{Prefix: "/t", Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var s singleton.Status
	time.AfterFunc(runFor, func() {
		s = rt.Status()[0]
		cancel()
	})
	if err := rt.Run(ctx, singleton.Worker("job", runner)); err != nil {
		t.Error(err)
	}
	return s, log.String()
}

func TestErrorsAreLoggedByTheUnitAndTheRhythmGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, log := runAsUnit(t, schedule.Every(time.Minute, func(context.Context) error { return errors.New("no ledger") }), 5*time.Minute)
		if n := strings.Count(log, `msg="scheduled call failed" unit=worker/job token=`); n != 5 && n != 6 || !strings.Contains(log, `err="no ledger"`) {
			t.Errorf("logged %d failures, want one for each call:\n%s", n, log)
		}
		if s.State != singleton.Ready || s.Failures != 0 {
			t.Errorf("status %+v, want ready", s)
		}
	})
}

func TestErrorThatComesOfStoppingIsNotLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, log := runAsUnit(t, schedule.Every(time.Minute, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }), time.Minute)
		if strings.Contains(log, "failed") {
			t.Error(log)
		}
	})
}

func TestSkippedCallsAreLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, log := runAsUnit(t, schedule.Every(time.Minute, func(context.Context) error { time.Sleep(150 * time.Second); return nil }),
			4*time.Minute)
		if !strings.Contains(log, "took=2m30s skipped=2") {
			t.Error(log)
		}
		_, log = runAsUnit(t, schedule.Every(time.Minute, func(context.Context) error { time.Sleep(time.Minute); return nil }),
			4*time.Minute)
		if strings.Contains(log, "skipped") {
			t.Errorf("nothing was skipped:\n%s", log)
		}
	})
}

func TestPanicOfACallIsLoggedWithItsStackAndTheRhythmGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		s, log := runAsUnit(t, schedule.Every(time.Minute, func(ctx context.Context) error {
			if calls++; calls == 3 {
				<-ctx.Done() // also where it comes of stopping
			}
			panic(fmt.Sprint("broken ", calls))
		}), 150*time.Second)
		if s.State != singleton.Ready || s.Failures != 0 || calls != 3 {
			t.Errorf("after %d calls status %+v, want ready without a failure", calls, s)
		}
		for n := range calls {
			if want := fmt.Sprintf(`err="broken %d" stack="`, n+1); !strings.Contains(log, want) {
				t.Errorf("the log doesn't say %s:\n%s", want, log)
			}
		}
		if strings.Count(log, "every_test.go") != calls {
			t.Errorf("the log doesn't say where:\n%s", log)
		}
	})
}

func TestCallThatEndsItsGoroutineIsTheUnitsFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		s, _ := runAsUnit(t, schedule.Every(time.Minute, func(context.Context) error {
			if calls++; calls == 1 {
				runtime.Goexit()
			}
			return nil
		}), 30*time.Second)
		if s.State != singleton.Ready || s.Failures != 1 || s.Err == nil || calls != 2 {
			t.Errorf("after %d calls status %+v, want ready again after one failure", calls, s)
		}
	})
}

// A schedule that is told to stop between two calls doesn't wait for the next.
func TestStopBetweenTwoCallsIsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		if got := begins(t, 90*time.Second, func(int) error { return nil }); len(got) != 2 {
			t.Errorf("calls began at %v, want two", got)
		}
		begun := time.Now()
		begins(t, 30*time.Second, func(int) error { return nil }, schedule.AfterInterval())
		if took := time.Since(begun); took != 30*time.Second {
			t.Errorf("Run took %v, want 30s", took)
		}
	})
}

func TestCallsAreUnderTheTermOfTheUnit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		runAsUnit(t, schedule.Every(time.Minute, func(ctx context.Context) error {
			if term, ok := singleton.TermFrom(ctx); !ok || term.Check() != nil || term.Election() != "worker/job" {
				t.Errorf("called under %q, %v", term.Election(), term.Check())
			}
			return nil
		}), time.Hour)
	})
}
