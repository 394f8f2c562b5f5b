package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// A scene is a store of a test's own, and a recorder.
type scene struct {
	*recorder

	url string
}

// onEachStore runs a test on etcd and on a directory.
func onEachStore(t *testing.T, test func(t *testing.T, s scene)) {
	t.Helper()
	t.Run("etcd", func(t *testing.T) {
		t.Parallel()
		test(t, scene{record(t), store(t)})
	})
	t.Run("file", func(t *testing.T) {
		t.Parallel()
		test(t, scene{record(t), directory(t)})
	})
}

// directory returns the URL of a new directory.
func directory(t *testing.T) string {
	t.Helper()
	return "file://" + filepath.Join(t.TempDir(), "store")
}

// A program is a process of 'singleton run', and what came of it.
type program struct {
	*exec.Cmd

	stderr *lines
	done   chan struct{} // closed when it has ended
	err    error
}

// launch starts this program, as a process of its own. It is killed at the end of the test.
func launch(t *testing.T, stdin io.Reader, stdout io.Writer, args ...string) *program {
	t.Helper()
	p := &program{Cmd: exec.Command(os.Args[0], args...), stderr: newLines(), done: make(chan struct{})}
	p.Env = append(os.Environ(), programVariable+"=1")
	p.Stdin, p.Stdout, p.Stderr = stdin, stdout, p.stderr
	p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.WaitDelay = limit
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		_ = p.Process.Signal(syscall.SIGCONT)
		_ = p.Process.Kill()
		<-p.done
		if t.Failed() {
			t.Logf("stderr of process %d:\n%s", p.Process.Pid, p.stderr.String())
		}
	})
	return p
}

// code waits for the end, and returns the exit code as shells have it.
func (p *program) code(t *testing.T) int {
	t.Helper()
	select {
	case <-p.done:
	case <-t.Context().Done():
		t.Fatal("the program has not ended")
	}
	if exit, ok := errors.AsType[*exec.ExitError](p.err); ok {
		if status := exit.Sys().(syscall.WaitStatus); status.Signal() > 0 {
			return exitSignal + int(status.Signal())
		}
		return exit.ExitCode()
	}
	if p.err != nil {
		t.Fatal(p.err)
	}
	return 0
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// run runs the beating command. Flags are those of 'singleton run', options those of the command.
func (s scene) run(t *testing.T, flags, options string) *program {
	t.Helper()
	args := append([]string{"run", "--name", "job", "--engine", s.url}, strings.Fields(flags)...)
	args = append(args, "--", os.Args[0], "beat", "-to", s.socket)
	return launch(t, nil, nil, append(args, strings.Fields(options)...)...)
}

// pair starts one that leads and one that waits, with the same flags.
func (s scene) pair(t *testing.T, flags, options string, roles ...string) (leader *program, first term, waiter *program) {
	t.Helper()
	leader = s.run(t, flags, options)
	first = s.awaitTerm(0, of(append(roles, "command")...))
	waiter = s.run(t, flags, options)
	waiter.stderr.await(t, `job: waits: .*/`+strconv.Itoa(leader.Process.Pid)+` leads, token `+strconv.FormatUint(first.token, 10))
	return leader, first, waiter
}

// shim returns the process that is a program's shim.
func (p *program) shim(t *testing.T) int {
	t.Helper()
	comms, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range comms {
		name, _ := os.ReadFile(path)
		status, _ := os.ReadFile(filepath.Dir(path) + "/status")
		if string(name) == "singleton-shim\n" && bytes.Contains(status, fmt.Appendf(nil, "\nPPid:\t%d\n", p.Process.Pid)) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			return pid
		}
	}
	t.Fatalf("process %d has no shim", p.Process.Pid)
	return 0
}

func signalTo(t *testing.T, sig syscall.Signal, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		if err := syscall.Kill(pid, sig); err != nil {
			t.Fatalf("%v to process %d: %v", sig, pid, err)
		}
	}
}
