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
	if err := run(t.Context(), []string{"-n", "150", "-rounds", "1", "-json"}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	var results []result
	if err := json.Unmarshal(out.Bytes(), &results); err != nil {
		t.Fatal(err)
	}
	if len(results) != len(contests) {
		t.Errorf("%d results, want %d", len(results), len(contests))
	}
	for _, r := range results {
		if r.Seconds <= 0 || r.Ratio <= 0 {
			t.Errorf("%+v", r)
		}
	}
	out.Reset()
	if err := printTable(&out, 150, results); err != nil || !strings.Contains(out.String(), "etcd concurrency") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestBadFlagsAreRefused(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"-n 0", "-rounds 0", "-unknown", "extra"} {
		if err := run(t.Context(), strings.Fields(args), io.Discard, io.Discard); err == nil {
			t.Errorf("%s: no error", args)
		}
	}
}
