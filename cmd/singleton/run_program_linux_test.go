package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// A scene is a store of a test's own, and a recorder.
type scene struct {
	*recorder

	url    string
	prefix []string // of the command line, if any
}

// onEachStore runs a test on etcd and on a directory.
func onEachStore(t *testing.T, test func(t *testing.T, s scene)) {
	t.Helper()
	t.Run("etcd", func(t *testing.T) {
		t.Parallel()
		test(t, scene{recorder: record(t), url: store(t)})
	})
	t.Run("file", func(t *testing.T) {
		t.Parallel()
		test(t, scene{recorder: record(t), url: directory(t)})
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
	return launchAs(t, stdin, stdout, append([]string{os.Args[0]}, args...)...)
}

func launchAs(t *testing.T, stdin io.Reader, stdout io.Writer, args ...string) *program {
	t.Helper()
	return launchTo(t, stdin, stdout, nil, args...)
}

// launchTo gives the program this file as standard error, if it isn't nil. The test sees nothing of it then.
func launchTo(t *testing.T, stdin io.Reader, stdout io.Writer, stderr *os.File, args ...string) *program {
	t.Helper()
	p := &program{Cmd: exec.Command(args[0], args[1:]...), stderr: newLines(), done: make(chan struct{})}
	mark := fmt.Sprintf("SINGLETON_TEST_LAUNCH=%d-%d", os.Getpid(), launches.Add(1))
	p.Env = append(os.Environ(), programVariable+"=1", mark)
	p.Stdin, p.Stdout, p.Stderr = stdin, stdout, p.stderr
	if stderr != nil {
		p.Stderr = stderr
	}
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
		clearUp(t, mark)
		if t.Failed() {
			t.Logf("stderr of process %d:\n%s", p.Process.Pid, p.stderr.String())
		}
	})
	return p
}

var launches atomic.Int64

// clearUp waits until nothing is left of a program that has ended, its shim and all that it ran included. What can't end, since
// its store is away or the test let it escape, is killed.
func clearUp(t *testing.T, mark string) {
	t.Helper()
	patience := time.Now().Add(2 * time.Second)
	for list := marked(t, mark); len(list) > 0; list = marked(t, mark) {
		for _, pid := range list {
			if time.Now().After(patience) {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		time.Sleep(10 * time.Millisecond) // they are nobody's children, and say nothing
	}
}

// marked returns the processes that have a variable in their environment.
func marked(t *testing.T, mark string) (list []int) {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		environ, _ := os.ReadFile(path) // it may have ended, or be somebody else's
		if slices.Contains(strings.Split(string(environ), "\x00"), mark) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			list = append(list, pid)
		}
	}
	return list
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
	args := slices.Concat(s.prefix, []string{os.Args[0], "run", "--name", "job", "--engine", s.url}, strings.Fields(flags),
		[]string{"--", os.Args[0], "beat", "-to", s.socket}, strings.Fields(options))
	return launchAs(t, nil, nil, args...)
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
	for _, pid := range children(t, p.Process.Pid) {
		if name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); string(name) == "singleton-shim\n" {
			return pid
		}
	}
	t.Fatalf("process %d has no shim", p.Process.Pid)
	return 0
}

// children returns the children of a process.
func children(t *testing.T, parent int) (list []int) {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/status")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		status, _ := os.ReadFile(path) // it may have ended
		if bytes.Contains(status, fmt.Appendf(nil, "\nPPid:\t%d\n", parent)) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			list = append(list, pid)
		}
	}
	return list
}

func signalTo(t *testing.T, sig syscall.Signal, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		if err := syscall.Kill(pid, sig); err != nil {
			t.Fatalf("%v to process %d: %v", sig, pid, err)
		}
	}
}
