package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/singleton-go/singleton/guard"
)

// The processes of the load are this test's binary.
func TestMain(m *testing.M) {
	guard.Main(open)
	if spec, ok := nodeSpec(os.Args); ok {
		os.Exit(spec.main())
	}
	os.Exit(m.Run())
}

func TestNoCallIsLostAndNoneHasItsEffectTwiceWhileTheServicesMove(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := run(t.Context(), []string{"load", "-rate", "100", "-for", "16s", "-json"}, &out, t.Output()); err != nil {
		t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Rows) != 2*(1+len(faults)) || r.Acknowledged < 1500 {
		t.Errorf("%+v", r)
	}
	for _, row := range r.Rows {
		if row.Calls == 0 {
			t.Errorf("no call: %+v", row)
		}
	}
	out.Reset()
	if err := r.print(&out); err != nil || !strings.Contains(out.String(), "cut off from etcd") {
		t.Errorf("%v\n%s", err, &out)
	}
}

func TestWhatBreaksAPromiseIsAnError(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]report{
		"lost":     {Lost: 1},
		"terms":    {TwoTerms: 1},
		"repeated": {Repeated: 1},
		"failed":   {Rows: []row{{Mild: true, Failed: 1}}},
	} {
		if r.verdict() == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for name, r := range map[string]report{
		"a call that the fault struck": {Rows: []row{{Failed: 1}}},
		"a machine that was busy":      {Rows: []row{{Mild: true, Failed: 1}}, Unplanned: 1},
	} {
		if err := r.verdict(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestComparesAllWays(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := run(t.Context(), []string{"bench", "-n", "100", "-json"}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	var list []comparison
	if err := json.Unmarshal(out.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != 3 {
		t.Errorf("%+v", list)
	}
	for _, c := range list {
		if c.P50 <= 0 || c.Floor <= 0 {
			t.Errorf("%+v", c)
		}
	}
	out.Reset()
	if err := printBench(&out, list); err != nil || !strings.Contains(out.String(), "forwarded") {
		t.Errorf("%v\n%s", err, &out)
	}
}

func TestBadFlagsAreRefused(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"", "neither", "load -rate 1", "load -ttl 1s", "load -for 1s", "bench -n 0", "bench -unknown"} {
		if err := run(t.Context(), strings.Fields(args), io.Discard, io.Discard); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}
