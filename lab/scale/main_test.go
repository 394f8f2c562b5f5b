package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/singleton-go/singleton/guard"
)

// The processes that a measurement starts are this program once more.
func TestMain(m *testing.M) {
	guard.Main(openEngine)
	r, is, err := roleOf()
	if err == nil && is {
		err = serve(context.Background(), r)
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if is {
		return
	}
	os.Exit(m.Run())
}

func TestMeasuresAllThatItNames(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	args := strings.Fields("-n 3 -nodes 2 -ttl 2s -window 1s -kinds bare,singleton -sweep 3 -sweep-n 2 -json")
	if err := run(t.Context(), args, &out, t.Output()); err != nil {
		t.Fatal(err)
	}
	var r results
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	for _, f := range append(r.Growth, r.Sweep...) {
		if f.Err != "" || f.Start <= 0 || f.Revoked <= 0 {
			t.Errorf("%+v", f)
		}
	}
	f, ok := find(r.Growth, "singleton", 3)
	if !ok || f.Killed <= 0 || f.Stopped <= 0 || f.Recovered <= 0 || f.IdleSent <= 0 || f.EtcdCPU <= 0 {
		t.Errorf("%+v", f)
	}
	if len(r.Sweep) != 1 || r.Sweep[0].Nodes != 3 || r.Sweep[0].ChangeReceived <= 0 {
		t.Errorf("%+v", r.Sweep)
	}
}

func TestMeasuresRivals(t *testing.T) {
	t.Parallel()
	for kind, outage := range map[string]bool{"concurrency": true, "leaderelection": false} { // which is back the latest
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			args := strings.Fields("-n 2 -nodes 2 -ttl 2s -window 500ms -sweep= -json -kinds " + kind)
			args = append(args, fmt.Sprintf("-outage=%t", outage))
			if err := run(t.Context(), args, &out, t.Output()); err != nil {
				t.Fatal(err)
			}
			var r results
			if err := json.Unmarshal(out.Bytes(), &r); err != nil {
				t.Fatal(err)
			}
			if f := r.Growth[0]; f.Err != "" || f.Start <= 0 || f.Killed <= 0 || f.Stopped <= 0 || f.Recovered > 0 != outage {
				t.Errorf("%+v", f)
			}
		})
	}
}

// made is a run with round figures.
func made() results {
	one := figures{
		Kind: "singleton", Units: 1000, Nodes: 3, Start: 1, Revoked: 0.5, Killed: 0.6, Stopped: 1, Recovered: 4, IdleSent: 6,
		NodeCPU: 2, EtcdCPU: 20, ReadyHeap: 4000, PendingHeap: 1300, ForeignHeap: 160, StoreBytes: 1 << 10,
	}
	bare := figures{Kind: "bare", Units: 1000, Nodes: 3, Start: 2, Revoked: 0.1}
	few, late := one, figures{Kind: "leaderelection", Units: 1000, Nodes: 3, Err: "not run"}
	few.Units, few.PendingHeap = 10, 0
	return results{TTL: 5 * time.Second, Growth: []figures{few, bare, one, late}, Sweep: []figures{few, one}}
}

func TestAimsCompareWhatWasMeasured(t *testing.T) {
	t.Parallel()
	got := map[string]float64{}
	for _, a := range aims(made()) {
		got[a.what] = a.value
	}
	for what, want := range map[string]float64{
		"heap of an own pending unit, bytes":                 1300 - 2*160,
		"time to start, to bare creations":                   0.5,
		"all taken over after a revocation, to a bare watch": 5,
		"idle messages, to those for the fewest elections":   1,
		"heap for each candidate of another node, bytes":     160,
		"all taken over after a revocation, s":               0.5,
	} {
		if v, ok := got[what]; !ok || v != want {
			t.Errorf("%s: %v, %v; want %v", what, v, ok, want)
		}
	}
	if v, ok := got["goroutines per ready unit beside its runner's"]; !ok || v != 0 {
		t.Errorf("goroutines: %v, %v", v, ok)
	}
	if _, ok := got["a change on a waiting node, to that with fewer elections"]; ok {
		t.Error("a change is compared that was not measured")
	}
}

func TestTablesSayAllThatIsThere(t *testing.T) {
	t.Parallel()
	r := made()
	r.Sizes = sizes(r)
	var out bytes.Buffer
	if err := printTables(&out, r); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"singleton", "not run", "missed", "met", "1000000"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
}

func TestPlotsAreSoundPictures(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := draw(dir, made()); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.svg"))
	if err != nil || len(files) < 10 {
		t.Fatalf("%d pictures, %v", len(files), err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "prefers-color-scheme:dark") || strings.Contains(string(text), "NaN") {
			t.Errorf("%s:\n%s", name, text)
		}
		for d := xml.NewDecoder(bytes.NewReader(text)); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
}

func TestAnOutageTakesAsLongAsItsBatches(t *testing.T) {
	t.Parallel()
	// 2 nodes, each with 2*127 records, so 2 batches of 1 s each.
	over, slowest := outage{nodes: 2, units: 127, renewal: time.Minute, batch: time.Second}.simulate()
	if over != 4*time.Second {
		t.Errorf("over after %v", over)
	}
	if slowest != 0 {
		t.Errorf("a renewal took %v, but none was due", slowest)
	}
	// Renewals come in the first second, and find all that is under way before them.
	_, slowest = outage{nodes: 2, units: 127, renewal: time.Second, batch: time.Second}.simulate()
	if slowest < 3*time.Second || slowest > 4*time.Second {
		t.Errorf("the slowest renewal took %v", slowest)
	}
}

func TestBadFlagsAreRefusedBeforeAnythingIsMeasured(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // which is the error of whatever starts
	for _, args := range []string{
		"-n 0", "-n=", "-n 1,two", "-nodes 1", "-sweep 1", "-sweep-n 0", "-kinds other", "-ttl 1s", "-ttl 2500ms", "-window 1s", "-unknown",
		"-from /nowhere/at/all", "-n 1 extra", "-n 1 -svg /dev/null/plots", "-n 1 -profile /dev/null/profiles",
	} {
		if err := run(ctx, strings.Fields(args), io.Discard, io.Discard); err == nil || errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", args, err)
		}
	}
}
