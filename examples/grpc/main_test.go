package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/singleton-go/singleton/examples/grpc/schedulerpb"
)

// The program runs as processes of their own: this test's binary, told to be it.
func TestMain(m *testing.M) {
	if os.Getenv("EXAMPLE") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// An output passes on what a replica says.
type output struct {
	t     *testing.T
	lines chan string
}

func (o *output) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) { // slog writes whole lines
		select {
		case o.lines <- line:
		default: // nobody waits for so many
		}
	}
	return o.t.Output().Write(p)
}

func (o *output) await(text string) {
	o.t.Helper()
	late := time.After(30 * time.Second)
	for {
		select {
		case line := <-o.lines:
			if strings.Contains(line, text) {
				return
			}
		case <-late:
			o.t.Fatalf("%q not said within 30 s", text)
		}
	}
}

func start(t *testing.T, dir string) (*exec.Cmd, *output) {
	t.Helper()
	cmd, out := exec.CommandContext(context.Background(), os.Args[0], "-dir", dir), &output{t, make(chan string, 100)}
	cmd.Env, cmd.Stderr = append(os.Environ(), "EXAMPLE=1"), out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	out.await("session opened")
	return cmd, out
}

func TestNoJobIsLostAndNoneRunsTwiceWhileTheSchedulerMoves(t *testing.T) {
	dir := t.TempDir()
	a, leads := start(t, dir)
	leads.await("unit ready")
	b, _ := start(t, dir)
	start(t, dir)
	faults := map[int]func() error{
		10: func() error { return a.Process.Signal(syscall.SIGTERM) }, // planned
		20: b.Process.Kill,
	}
	const jobs = 30
	err := ask(t.Context(), dir, func(c schedulerpb.SchedulerClient) error {
		for i := range jobs {
			if fault := faults[i]; fault != nil {
				if err := fault(); err != nil {
					return err
				}
			}
			for add(t.Context(), c, fmt.Sprintf("job-%d", i), 0) != nil { // lost with the one that was killed, and safe to repeat
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	tokens := map[string]bool{}
	for late := time.Now().Add(30 * time.Second); ; {
		list := listed(t, dir)
		waiting := 0
		for _, fields := range list {
			if token := fields[2]; token == "0" {
				waiting++
			} else {
				tokens[token] = true
			}
		}
		if len(list) == jobs && waiting == 0 {
			break
		}
		if time.Now().After(late) {
			t.Fatalf("%d jobs, %d not run, 30 s after %d were acknowledged", len(list), waiting, jobs)
		}
	}
	if len(tokens) < 2 {
		t.Errorf("jobs were run under %d tokens: the scheduler has not moved", len(tokens))
	}
}

// listed returns the lines of a list.
func listed(t *testing.T, dir string) (lines [][]string) {
	t.Helper()
	var out bytes.Buffer
	if err := run(t.Context(), dir, []string{"list"}, &out); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		lines = append(lines, strings.Fields(line))
	}
	return lines[1:]
}

func TestWrongArgumentsAreRefused(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"add", "add tea soon", "remove tea"} {
		if err := run(t.Context(), t.TempDir(), strings.Fields(args), &bytes.Buffer{}); err == nil {
			t.Errorf("%s: no error", args)
		}
	}
}
