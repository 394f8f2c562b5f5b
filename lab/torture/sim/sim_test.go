package sim_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/singleton-go/singleton/lab/torture/sim"
)

func TestSeedsAreSimulatedAndReplayed(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"10 seeds from 7":        {"-seeds", "10", "-from", "7"},
		"seed 3 passed 4 of 4 t": {"-replay", "3", "-times", "4"},
	} {
		var out, diag bytes.Buffer
		if err := sim.Run(t.Context(), args, &out, &diag); err != nil {
			t.Fatalf("%v: %v\n%s%s", args, err, &out, &diag)
		}
		if !strings.Contains(out.String(), want) {
			t.Errorf("%v says %q, want %q", args, &out, want)
		}
	}
}

func TestBadFlagsAreRefusedByName(t *testing.T) {
	t.Parallel()
	for _, flag := range []string{"-seeds=0", "-parallel=0", "-times=0"} {
		var out, diag bytes.Buffer
		err := sim.Run(t.Context(), []string{flag}, &out, &diag)
		if name, _, _ := strings.Cut(flag, "="); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v, want an error that names it", flag, err)
		}
	}
}
