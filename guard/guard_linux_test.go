package guard_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The sessions of these tests have a TTL of minutes: nothing but the guard can have ended them.

func TestSessionEndsWithItsProcess(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*process){
		"SIGKILL": func(p *process) { p.kill() },
		"exit":    func(p *process) { p.tell(t, "exit 3") },
		"panic":   func(p *process) { p.tell(t, "panic") },
		"exec":    func(p *process) { p.tell(t, "exec") }, // another program has its pid
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			p := start(t, s)
			id := p.do(t, "open")
			begin := time.Now()
			end(p)
			s.awaitGone(t, id)
			t.Logf("session ended after %v", time.Since(begin))
		})
	}
}

func TestGuardIsToBeRecognised(t *testing.T) {
	t.Parallel()
	p := start(t, newStore(t))
	p.do(t, "open")
	pid := p.guardPID(t)
	line := strings.Split(strings.TrimRight(p.children(t)[pid], "\x00"), "\x00")
	if len(line) != 1 || line[0] != "singleton-guard: "+filepath.Base(os.Args[0]) {
		t.Errorf("command line %q", line)
	}
	comm, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
	if err != nil || string(comm) != "singleton-guard\n" {
		t.Errorf("name %q, %v", comm, err)
	}
}

// Those who manage services send signals to all processes of a service. A guard that had died of one could not have been replaced
// before its process is killed.
func TestGuardOutlivesSignals(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	p := start(t, s)
	id := p.do(t, "open")
	pid := p.guardPID(t)
	for _, sig := range []syscall.Signal{
		syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGALRM,
		syscall.SIGPIPE, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU,
	} {
		if err := syscall.Kill(pid, sig); err != nil {
			t.Fatal(err)
		}
	}
	p.kill()
	s.awaitGone(t, id)
}

func TestDeadGuardIsReplaced(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	p := start(t, s)
	before := p.do(t, "open")
	first := p.guardPID(t)
	files := p.files(t)
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	between := p.do(t, "open") // nobody waits for a guard
	p.log.await(t, "guard replaced")
	second := p.guardPID(t, first)
	after := p.do(t, "open")
	if !s.lives(t, before) || !s.lives(t, between) || !s.lives(t, after) {
		t.Error("a session ended with its guard")
	}
	if second == first {
		t.Error("the guard was not replaced")
	}
	if got := p.files(t); got != files {
		t.Errorf("%d files with the second guard, %d with the first", got, files)
	}
	p.kill()
	for _, id := range []string{before, between, after} {
		s.awaitGone(t, id)
	}
}

func TestGuardThatDoesNotReadIsReplaced(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	p := start(t, s)
	p.do(t, "open")
	first := p.guardPID(t)
	if err := syscall.Kill(first, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	last := ""
	within(t, "another guard", func() bool {
		for range 100 { // each is told of twice, and in the end there are few
			last = p.do(t, "open")
		}
		p.do(t, "close 1")
		_, there := p.children(t)[first]
		return !there
	})
	p.log.await(t, "guard replaced")
	p.kill()
	s.awaitGone(t, last)
}

func TestWithoutGuardTheTTLRules(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	p := start(t, s)
	id := p.do(t, "open")
	if err := syscall.Kill(p.guardPID(t), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p.kill()
	if !s.lives(t, id) {
		t.Error("the session ended without a guard")
	}
}

func TestStoppedProcessKeepsItsSession(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	p := start(t, s)
	id := p.do(t, "open")
	if err := p.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	within(t, "stopped process", func() bool {
		text, err := os.ReadFile("/proc/" + strconv.Itoa(p.Process.Pid) + "/stat")
		return err == nil && strings.Contains(string(text), ") T ")
	})
	if !s.lives(t, id) {
		t.Error("the session ended while its process could go on")
	}
	p.kill()
	s.awaitGone(t, id)
}

// A child that has the pipe's end hides the end of its parent from who reads the pipe.
func TestLeakedPipeHidesNothing(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	p := start(t, s)
	id := p.do(t, "open")
	child, err := strconv.Atoi(p.do(t, "leak"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(child, syscall.SIGKILL) })
	last := p.do(t, "open")
	p.kill()
	s.awaitGone(t, id)
	s.awaitGone(t, last)
	if err := syscall.Kill(child, 0); err != nil {
		t.Errorf("the child has ended: %v", err)
	}
}

func TestStoreAwayAtTheCrash(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	p := start(t, s)
	id := p.do(t, "open")
	s.leave()
	tries := s.refuse(t)
	p.kill()
	<-tries
	<-tries
	s.come(t)
	s.awaitGone(t, id)
}

func TestStoreAwayWhenTheGuardStarts(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	p := start(t, s)
	id := p.do(t, "open")
	first := p.guardPID(t)
	s.leave()
	tries := s.refuse(t)
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-tries
	<-tries
	p.log.await(t, "guard has no engine yet")
	p.log.await(t, "openStore:")
	p.kill()
	<-tries
	<-tries
	s.come(t)
	s.awaitGone(t, id)
}

func TestManySessions(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	p := start(t, s)
	var ids []string
	for range 50 {
		ids = append(ids, p.do(t, "open"))
	}
	p.do(t, "close 2")
	p.kill()
	for _, id := range ids {
		s.awaitGone(t, id)
	}
}

func TestStopLeavesNothing(t *testing.T) {
	t.Parallel()
	p := start(t, newStore(t))
	p.do(t, "open")
	p.do(t, "close 0")
	p.do(t, "stop")
	if got := p.children(t); len(got) != 0 {
		t.Errorf("processes are left: %v", got)
	}
	p.do(t, "cycle") // the first one starts what the Go runtime keeps
	if got := p.do(t, "cycle"); got != "0 0" {
		t.Errorf("goroutines and files are left: %s", got)
	}
}

func TestStopLeavesTheGuardOfAnOpenSession(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	p := start(t, s)
	p.do(t, "open")
	id := p.do(t, "open")
	p.do(t, "close 1")
	p.do(t, "stop")
	if !s.lives(t, id) {
		t.Error("the session ended while its process could work in it")
	}
	p.kill()
	s.awaitGone(t, id)
}

func TestGuardThatCannotStartIsRefused(t *testing.T) {
	t.Parallel()
	p := start(t, newStore(t), func(c *exec.Cmd) { c.Env = append(c.Env, brokenVariable+"=1") })
	err := p.Wait()
	if err == nil || !strings.Contains(p.log.String(), "exit status 7: an init function failed") {
		t.Errorf("the program ended with %v", err)
	}
}

func TestTwoProcessesEndForThemselves(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	p, q := start(t, s), start(t, s)
	mine, other := p.do(t, "open"), q.do(t, "open")
	p.kill()
	s.awaitGone(t, mine)
	if !s.lives(t, other) {
		t.Error("the session of another process ended")
	}
}
