package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patientCommand says when it runs, and ends in order with code 7. Its shell would say on stderr that TERM has ended what it ran.
var patientCommand = []string{"--", "sh", "-c", `exec 2>/dev/null; trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done`}

func TestReaderOfStderrThatGoesAwayTakesNoCommandWithIt(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	out := newLines()
	p := launchTo(t, nil, out, w, append([]string{os.Args[0], "run", "--name", "a", "--engine", directory(t)}, patientCommand...)...)
	out.await(t, "ready")
	if err := errors.Join(r.Close(), w.Close()); err != nil {
		t.Fatal(err)
	}
	signalTo(t, syscall.SIGTERM, p.Process.Pid)
	if code := p.code(t); code != 7 {
		t.Errorf("exit code %d, want that of a command that ended in order", code)
	}
}

func TestReaderOfStderrThatReadsNothingHoldsUpNoCommand(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if err := w.SetWriteDeadline(time.Now().Add(time.Second / 10)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(w, neverEnding{}); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	out := newLines()
	p := launchTo(t, nil, out, w, append([]string{os.Args[0], "run", "--name", "a", "--engine", directory(t)}, patientCommand...)...)
	out.await(t, "ready")
	signalTo(t, syscall.SIGTERM, p.Process.Pid)
	if code := p.code(t); code != 7 {
		t.Errorf("exit code %d", code)
	}
}

// neverEnding fills any pipe.
type neverEnding struct{}

func (neverEnding) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestWhatIsNoUTF8ReachesTheCommandAsItIs(t *testing.T) {
	t.Parallel()
	const odd = "f\xffg\xe9"
	var out bytes.Buffer
	p := launch(t, nil, &out, "run", "--name", "a", "--engine", directory(t)+odd, "--", "sh", "-c", `printf %s "$1"`, "sh", odd)
	if code := p.code(t); code != 0 || out.String() != odd {
		t.Errorf("exit code %d, got %q, want %q", code, out.String(), odd)
	}
}

// A wish, or a loss, while what the command has left behind is ended, is no reason to run it again.
func TestCommandThatHasEndedByItselfIsNotRunAgain(t *testing.T) {
	t.Parallel()
	for _, once := range []string{"--once", "--quiet"} {
		t.Run(once, func(t *testing.T) {
			t.Parallel()
			url, out := directory(t), newLines()
			p := launch(t, nil, out, "run", once, "--name", "a", "--grace", "2s", "--engine", url, "--",
				"sh", "-c", `(trap '' TERM; echo left behind; exec sleep 1000) & sleep 0.5; echo run $$; exit 3`)
			out.await(t, "run")
			out.await(t, "left behind")
			awaitBuried(t, out.String())
			if _, stderr, err := call(t, "resign", "a", "--engine", url); err != nil {
				t.Errorf("resign: %v %s", err, stderr)
			}
			if code := p.code(t); code != 3 || strings.Count(out.String(), "run") != 1 {
				t.Errorf("exit code %d, want the command's; it said %q", code, out.String())
			}
		})
	}
}

// awaitBuried waits until the shim has taken note of the end of the command, which says its number after "run".
func awaitBuried(t *testing.T, said string) {
	t.Helper()
	var pid int
	if _, err := fmt.Sscanf(said[strings.Index(said, "run"):], "run %d", &pid); err != nil {
		t.Fatal(err)
	}
	for syscall.Kill(pid, 0) == nil {
		if t.Context().Err() != nil {
			t.Fatal("the command has not ended")
		}
		time.Sleep(5 * time.Millisecond) // it is the shim's child, and tells nobody else
	}
}

func TestResignOfTheOnlyOneSaysThatNobodyLeads(t *testing.T) {
	t.Parallel()
	url, out := directory(t), newLines()
	launch(t, nil, out, append([]string{"run", "--once", "--name", "a", "--engine", url}, patientCommand...)...)
	out.await(t, "ready")
	stdout, stderr, err := call(t, "resign", "a", "--engine", url)
	if err != nil || stdout != "worker/a: nobody leads\n" {
		t.Errorf("resign: %v %s\n%s", err, stderr, stdout)
	}
}
