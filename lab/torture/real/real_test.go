package real_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/singleton-go/singleton/lab/torture/real"
)

// The tests' program is that of members, nodes and the janitor too.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "real" {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		err := real.Run(ctx, os.Args[2:], os.Stdout, os.Stderr)
		stop()
		if err != nil {
			_, _ = fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// A short run, with one member and three nodes: what was promised is kept, both reports are there, and nothing is left behind.
func TestRun(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	temp, dir := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", temp)
	var out, diag bytes.Buffer
	args := strings.Fields("-for 12s -members 1 -nodes 3 -seed 7 -network proxies -json -report " + dir)
	if err := real.Run(t.Context(), args, &out, &diag); err != nil {
		t.Fatalf("%v\n%s", err, &diag)
	}
	var result real.Result
	if err := json.Unmarshal(out.Bytes(), &result); err != nil {
		t.Fatalf("%v: %s", err, &out)
	}
	faults := 0
	for _, f := range result.Faults {
		faults += f.Count
	}
	if faults == 0 || len(result.Contenders) != 3 {
		t.Errorf("%s", &out)
	}
	for _, o := range result.Contenders {
		if o.Terms == 0 || o.Effects == 0 || o.Availability <= 0 {
			t.Errorf("%+v", o)
		}
	}
	page, err := os.ReadFile(filepath.Join(dir, "report.html"))
	if err != nil || !bytes.Contains(page, []byte("</svg>")) || bytes.Contains(page, []byte("ZgotmplZ")) {
		t.Errorf("%v: %s", err, page)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestNothingIsLeftBehindByARunThatIsCut(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a cluster")
	}
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	ctx, cancel := context.WithCancelCause(t.Context())
	cut := errors.New("cut")
	diag := writer(func(b []byte) (int, error) {
		if bytes.Contains(b, []byte(" s  ")) { // the first fault
			cancel(cut)
		}
		return len(b), nil
	})
	if err := real.Run(ctx, strings.Fields("-for 1m -members 1 -nodes 2 -seed 3"), &bytes.Buffer{}, diag); !errors.Is(err, cut) {
		t.Errorf("it returned %v", err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A writer is a function that is written to.
type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }

func TestBadFlags(t *testing.T) {
	t.Parallel()
	for args, names := range map[string]string{
		"-for 0s":            "-for 0s",
		"-nodes 1":           "-nodes 1",
		"-network wires":     `-network "wires"`,
		"-nodes 27":          "-nodes 27",
		"-members 2":         "-members 2",
		"-ttl 1s":            "-ttl 1s",
		"-ttl 2500ms":        "-ttl 2.5s",
		"extra arguments no": `"extra"`,
		"-nope":              "-nope",
	} {
		err := real.Run(t.Context(), strings.Fields(args), &bytes.Buffer{}, &bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), names) {
			t.Errorf("%s: %v", args, err)
		}
	}
}
