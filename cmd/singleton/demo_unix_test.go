//go:build unix

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// leftoverLimit is how long what is left of a demo may take to vanish. It is long: nothing depends on it but a failing test.
const leftoverLimit = 30 * time.Second

// A running is the demo in a process of its own.
type running struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout *bufio.Reader
	closer io.Closer
	stderr bytes.Buffer
	tmp    string
	held   *os.File // at its end when the last process has ended
}

// startDemo starts the program. It, and every process that it starts, holds one end of a pipe.
func startDemo(t *testing.T, args ...string) *running {
	t.Helper()
	return startDemoIn(t, t.TempDir(), args...)
}

func startDemoIn(t *testing.T, tmp string, args ...string) *running {
	t.Helper()
	return start(t, tmp, self(t), append([]string{"demo"}, args...)...)
}

func self(t *testing.T) string {
	t.Helper()
	file, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func start(t *testing.T, tmp, program string, args ...string) *running {
	t.Helper()
	r := &running{t: t, cmd: exec.CommandContext(t.Context(), program, args...), tmp: tmp}
	r.cmd.Env = append(os.Environ(), programVariable+"=yes", "TMPDIR="+r.tmp)
	r.cmd.Stderr = &r.stderr
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	r.stdout, r.closer = bufio.NewReader(out), out
	var holder *os.File
	if r.held, holder, err = os.Pipe(); err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	t.Cleanup(func() { _ = r.held.Close() })
	r.cmd.ExtraFiles = []*os.File{holder} // not closed by exec, so all descendants inherit it
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return r
}

// A line is an event that the demo wrote.
type line struct {
	Event string
	Fault string
	Node  string
	PID   int
}

// until reads events until one of them is wanted.
func (r *running) until(wanted func(line) bool) line {
	r.t.Helper()
	for {
		text, err := r.stdout.ReadBytes('\n')
		if err != nil {
			r.t.Fatalf("the demo has ended: %v\n%s", r.cmd.Wait(), &r.stderr)
		}
		var e line
		if err := json.Unmarshal(text, &e); err != nil {
			r.t.Fatalf("event %q: %v", text, err)
		}
		if wanted(e) {
			return e
		}
	}
}

// paused waits until a node is paused.
func (r *running) paused() line {
	r.t.Helper()
	return r.until(func(e line) bool { return e.Fault == "sigstop" })
}

func (r *running) signal(s syscall.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		r.t.Error(err)
	}
}

// end waits for the demo, and checks how it ended and that nothing is left of it. An exit code of -1 is a signal.
func (r *running) end(code int) (stdout string) {
	r.t.Helper()
	rest, _ := io.ReadAll(r.stdout)
	err := r.cmd.Wait()
	if exited := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exited) {
		r.t.Error(err)
	}
	if got := r.cmd.ProcessState.ExitCode(); got != code {
		r.t.Errorf("%v, want exit code %d\nstdout %s\nstderr %s", r.cmd.ProcessState, code, rest, &r.stderr)
	}
	r.nothingLeft()
	return string(rest)
}

func (r *running) nothingLeft() {
	r.t.Helper()
	if err := r.held.SetReadDeadline(time.Now().Add(leftoverLimit)); err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.held.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		r.t.Errorf("a process is left: %v", err)
	}
	left, err := os.ReadDir(r.tmp)
	if err != nil || len(left) > 0 {
		r.t.Errorf("files are left: %v (%v)", left, err)
	}
}

func TestDemoOnEtcd(t *testing.T) {
	t.Parallel()
	r := startDemo(t, "--json", "--ttl=3s")
	checkSummary(t, r.end(exitDone))
	if r.stderr.Len() > 0 {
		t.Errorf("stderr: %s", &r.stderr)
	}
}

func TestDemoLeavesNothingWhenItIsKilled(t *testing.T) {
	t.Parallel()
	r := startDemo(t, "--json", "--ttl=3s")
	r.paused()
	r.signal(syscall.SIGKILL)
	r.end(-1)
}

func TestDemoLeavesNothingWhenItIsInterrupted(t *testing.T) {
	t.Parallel()
	r := startDemo(t, "--json", "--ttl=3s")
	r.paused()
	r.signal(syscall.SIGINT)
	if rest := r.end(130); strings.Contains(rest, "summary") {
		t.Errorf("a play that was not finished has a summary: %s", rest)
	}
	if want := "singleton: ended by signal: interrupt\n"; r.stderr.String() != want {
		t.Errorf("stderr %q, want %q", r.stderr.String(), want)
	}
}

func TestDemoLeavesNothingWhenItIsTerminated(t *testing.T) {
	t.Parallel()
	r := startDemo(t, "--json", "--ttl=3s")
	r.until(func(e line) bool { return e.Event == "start" })
	r.signal(syscall.SIGTERM)
	r.end(143)
}

func TestDemoLeavesNothingWhenNobodyListens(t *testing.T) {
	t.Parallel()
	r := startDemo(t, "--json", "--ttl=3s")
	r.until(func(e line) bool { return e.Fault == "sigkill" })
	if err := r.closer.Close(); err != nil {
		t.Error(err)
	}
	r.end(-1) // by SIGPIPE, as any other program
}

func TestDemoLeavesNothingWhenItsJanitorIsKilled(t *testing.T) {
	t.Parallel()
	r := startDemo(t, "--json", "--ttl=3s")
	janitor, err := syscall.Getpgid(r.paused().PID) // it heads the group of the nodes
	if err != nil || janitor == syscall.Getpgrp() {
		t.Fatalf("group %d of the nodes: %v", janitor, err)
	}
	if err := syscall.Kill(janitor, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
	r.end(exitFailed)
}

// Who ends "go run" means the program, and go run tells it nothing. It is known by where it was built.
func TestDemoLeavesNothingWhenGoRunIsKilled(t *testing.T) {
	t.Parallel()
	built := filepath.Join(t.TempDir(), "go-build1", "b001", "exe", "singleton")
	program, err := os.ReadFile(self(t))
	if err == nil {
		err = os.MkdirAll(filepath.Dir(built), 0o700)
	}
	if err == nil {
		err = os.WriteFile(built, program, 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, t.TempDir(), "/bin/sh", "-c", `"$0" demo --json --ttl=3s --keep; exit $?`, built)
	r.until(func(e line) bool { return e.Event == "start" })
	r.signal(syscall.SIGKILL)
	r.end(-1)
}

func TestDemoKeepsOnUntilItIsTold(t *testing.T) {
	t.Parallel()
	r := startDemo(t, "--json", "--ttl=3s", "--keep")
	r.until(func(e line) bool { return e.Event == "summary" })
	r.signal(syscall.SIGINT)
	if rest := r.end(exitDone); rest != "" {
		t.Errorf("after the summary: %s", rest)
	}
}

func TestDemoSaysWhereItCantHaveADirectory(t *testing.T) {
	t.Parallel()
	tmp := filepath.Join(t.TempDir(), "missing")
	r := startDemoIn(t, tmp, "--json")
	if err := r.cmd.Wait(); r.cmd.ProcessState.ExitCode() != exitFailed {
		t.Errorf("ended with %v, want exit code %d", err, exitFailed)
	}
	words := r.stderr.String()
	if strings.Count(words, "\n") != 1 || !strings.HasPrefix(words, "singleton: ") || !strings.Contains(words, tmp) {
		t.Errorf("stderr %q, want one line that names %s", words, tmp)
	}
}
