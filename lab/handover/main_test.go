package main

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
)

func TestMeasuresAllContests(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-n", "3", "-candidates", "2,3", "-json"}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	var results []result
	if err := json.Unmarshal(out.Bytes(), &results); err != nil {
		t.Fatal(err)
	}
	if len(results) != 8 {
		t.Errorf("%d results, want 4 contests with 2 sizes", len(results))
	}
	for _, r := range results {
		if r.P50 <= 0 || r.P99 < r.P50 || r.Ratio <= 0 {
			t.Errorf("%+v", r)
		}
	}
	out.Reset()
	if err := printTable(&out, results); err != nil || !strings.Contains(out.String(), "etcd concurrency") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestBadFlagsAreRefused(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"-n 0", "-candidates 1", "-candidates two", "-unknown", "extra"} {
		if err := run(t.Context(), strings.Fields(args), io.Discard, io.Discard); err == nil {
			t.Errorf("%s: no error", args)
		}
	}
}
