package guard_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// startAsPID1 starts the program in a PID namespace of its own, as in a container. The process is the guard then, and its child
// the program.
func startAsPID1(t *testing.T, s *store) (p *process, program int) {
	t.Helper()
	p = start(t, s, func(c *exec.Cmd) {
		c.SysProcAttr = isolated()
		probe := exec.Command("/bin/true")
		probe.SysProcAttr = c.SysProcAttr
		needNamespaces(t, probe.Run())
	})
	within(t, "the program", func() bool {
		for pid, line := range p.children(t) {
			program = pid
			return line != ""
		}
		return false
	})
	return p, program
}

// isolated is for a process that is the first one in its PID namespace. Who is not root needs a user namespace for that.
func isolated() *syscall.SysProcAttr {
	if os.Geteuid() == 0 {
		return &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	}
	return &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWUSER}
}

// needNamespaces skips a test where this user may make none, except where everything must be tested.
func needNamespaces(t *testing.T, err error) {
	t.Helper()
	switch {
	case err == nil:
	case errors.Is(err, syscall.EPERM) && os.Getenv("CI") == "":
		t.Skipf("run as root, or allow user namespaces, to test PID 1: %v", err)
	default:
		t.Fatal(err)
	}
}

func TestPID1RunsTheProgramAsItIs(t *testing.T) {
	t.Parallel()
	p, _ := startAsPID1(t, newStore(t))
	if got := p.do(t, "args"); got != `["one" "two"], child of PID 1 is true, variable ""` {
		t.Errorf("the program sees arguments %s", got)
	}
	p.do(t, "open")
	if got := p.children(t); len(got) != 1 {
		t.Errorf("PID 1 has children %v, want the program alone", got)
	}
	p.do(t, "close 0")
	p.do(t, "stop")
	p.do(t, "cycle")
	if got := p.do(t, "cycle"); got != "0 0" {
		t.Errorf("goroutines and files are left: %s", got)
	}
}

func TestPID1EndsTheSessionAndPassesTheExitCodeOn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end  func(t *testing.T, p *process, program int)
		code int
	}{
		"exit":    {func(t *testing.T, p *process, _ int) { p.tell(t, "exit 3") }, 3},
		"panic":   {func(t *testing.T, p *process, _ int) { p.tell(t, "panic") }, 2},
		"SIGKILL": {func(_ *testing.T, _ *process, program int) { _ = syscall.Kill(program, syscall.SIGKILL) }, 128 + 9},
		"SIGTERM": {func(_ *testing.T, p *process, _ int) { _ = p.Process.Signal(syscall.SIGTERM) }, 128 + 15},
		"SIGHUP":  {func(_ *testing.T, p *process, _ int) { _ = p.Process.Signal(syscall.SIGHUP) }, 128 + 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			p, program := startAsPID1(t, s)
			id := p.do(t, "open")
			c.end(t, p, program)
			s.awaitGone(t, id)
			_ = p.Wait()
			if got := p.ProcessState.ExitCode(); got != c.code {
				t.Errorf("exit code %d, want %d", got, c.code)
			}
		})
	}
}

func TestPID1ReapsOrphansAndLeavesNone(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	p, program := startAsPID1(t, s)
	id := p.do(t, "open")
	p.do(t, "orphan")
	sleeper := 0
	within(t, "the orphans' end", func() bool {
		children := p.children(t)
		for pid, line := range children {
			if strings.HasPrefix(line, "sleep\x0060") {
				sleeper = pid
			}
		}
		return sleeper != 0 && len(children) == 2 // and the program
	})
	s.leave()
	tries := s.refuse(t)
	if err := syscall.Kill(program, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-tries // an orphan that lives now could work beside a successor
	if line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", sleeper)); err == nil && len(line) > 0 {
		t.Error("an orphan outlived the session")
	}
	s.come(t)
	s.awaitGone(t, id)
}

// Who ends a container whose program is dead wants it to go, reachable store or not.
func TestPID1WithoutProgramObeys(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	p, program := startAsPID1(t, s)
	id := p.do(t, "open")
	s.leave()
	tries := s.refuse(t)
	if err := syscall.Kill(program, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	within(t, "the program's end", func() bool { return errors.Is(syscall.Kill(program, 0), syscall.ESRCH) })
	go func() { // a try that is held up ends with its connection
		for range tries {
		}
	}()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = p.Wait()
	if got := p.ProcessState.ExitCode(); got != 128+9 {
		t.Errorf("exit code %d, want that of the program", got)
	}
	if !s.lives(t, id) {
		t.Error("the session ended")
	}
}
