package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// A short run, to see that the command still does what it says. It builds what it compares.
func TestRun(t *testing.T) {
	if testing.Short() {
		t.Skip("builds three programs")
	}
	t.Chdir("..")
	var out, diag bytes.Buffer
	if err := run(t.Context(), []string{"-n", "1", "-only", "directory", "-json"}, &out, &diag); err != nil {
		t.Fatalf("%v\n%s", err, &diag)
	}
	var results []result
	if err := json.Unmarshal(out.Bytes(), &results); err != nil || len(results) != 3 {
		t.Fatalf("%v: %s", err, &out)
	}
	for _, r := range results {
		if r.N != 1 || r.Overlaps != 0 || r.TakeP50 <= 0 {
			t.Errorf("%+v", r)
		}
	}
}

func TestBadFlags(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-n", "0"}, {"-slow", "-1"}, {"-nope"}, {"extra"}} {
		err := run(t.Context(), args, &bytes.Buffer{}, &bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), args[len(args)-1]) {
			t.Errorf("%s: %v", args, err)
		}
	}
}
