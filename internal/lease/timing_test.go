package lease_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/singleton-go/singleton/internal/lease"
)

func TestTimingThatCannotKeepThePromiseIsRefusedWithItsArithmetic(t *testing.T) {
	t.Parallel()
	const s, ms = time.Second, time.Millisecond
	for name, test := range map[string]struct {
		timing lease.Timing
		says   []string // nothing where the timing is to pass
	}{
		"the defaults":               {lease.Timing{}, nil},
		"defaults of the least TTL":  {lease.Timing{TTL: 100 * ms}, nil},
		"just enough":                {lease.Timing{Renewal: 5 * s}, nil},
		"a nanosecond too much":      {lease.Timing{Renewal: 5*s + 1}, []string{"Renewal 5.000000001s", "= 9.000000001s", "= 9s"}},
		"a long drain":               {lease.Timing{Drain: 6 * s}, []string{"TTL 10s", "2.5s + CallTimeout 1s + Drain 6s + Margin 500ms = 10s", "x (1 - Drift 0.1) = 9s"}},
		"a slow store":               {lease.Timing{CallTimeout: 4 * s}, []string{"CallTimeout 4s", "= 9.5s", "= 9s"}},
		"clocks that differ much":    {lease.Timing{Drift: 0.36}, []string{"Drift 0.36", "= 6.5s", "= 6.4s"}},
		"a TTL below the least":      {lease.Timing{TTL: 99 * ms}, []string{"TTL 99ms", "at least 100ms"}},
		"a negative TTL":             {lease.Timing{TTL: -s}, []string{"TTL -1s"}},
		"a negative renewal":         {lease.Timing{Renewal: -s}, []string{"Renewal -1s", "positive"}},
		"a negative call timeout":    {lease.Timing{CallTimeout: -1}, []string{"CallTimeout -1ns", "positive"}},
		"a negative drain":           {lease.Timing{Drain: -s}, []string{"Drain -1s", "positive"}},
		"a negative margin":          {lease.Timing{Margin: -s}, []string{"Margin -1s", "positive"}},
		"a negative drift":           {lease.Timing{Drift: -0.1}, []string{"Drift -0.1", "from 0 to below 1"}},
		"a drift of 1":               {lease.Timing{Drift: 1}, []string{"Drift 1", "from 0 to below 1"}},
		"a drift that is no number":  {lease.Timing{Drift: math.NaN()}, []string{"Drift NaN"}},
		"durations that overflow":    {lease.Timing{Renewal: math.MaxInt64, Drain: math.MaxInt64}, []string{"Renewal 2562047h", "TTL 10s"}},
		"one second for all of it":   {lease.Timing{TTL: s, Drain: s / 2, Margin: s / 4}, []string{"= 1.1s", "= 900ms"}},
		"a drain as long as the TTL": {lease.Timing{Drain: 10 * s}, []string{"Drain 10s"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := test.timing.WithDefaults().Check()
			if (err == nil) != (test.says == nil) {
				t.Fatalf("error %v, want one that says %q", err, test.says)
			}
			for _, part := range test.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not say %q", err, part)
				}
			}
		})
	}
}

func TestTimingHasTheDefaultsThatAreDocumented(t *testing.T) {
	t.Parallel()
	const s = time.Second
	want := lease.Timing{TTL: 10 * s, Renewal: 5 * s / 2, CallTimeout: s, Drain: 5 * s / 2, Margin: s / 2, Drift: 0.1}
	if got := (lease.Timing{}).WithDefaults(); got != want {
		t.Errorf("the defaults are %+v, want %+v", got, want)
	}
	want = lease.Timing{TTL: 4 * s, Renewal: s, CallTimeout: 3, Drain: s, Margin: s / 5, Drift: 0.2}
	if got := (lease.Timing{TTL: 4 * s, CallTimeout: 3, Drift: 0.2}).WithDefaults(); got != want {
		t.Errorf("with these settings it is %+v, want %+v", got, want)
	}
}

func TestLeaseWithImpossibleTimingDoesNotStart(t *testing.T) {
	t.Parallel()
	if _, err := lease.Start(lease.Config{Timing: lease.Timing{TTL: time.Second}}); err == nil {
		t.Error("a lease was started")
	}
}
