package main

import (
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/singleton-go/singleton/engine/etcdengine/etcdtest"
)

// slow is a TTL that no test waits for: who takes over within it was told to.
const slow = "--ttl 2m"

func TestNobodyStartsBeforeAllOfAKilledOneAreGone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		victim func(t *testing.T, leader *program, first term) []int
	}{
		{"command", func(_ *testing.T, _ *program, first term) []int { return []int{first.pid("command")} }},
		{"run", func(_ *testing.T, leader *program, _ term) []int { return []int{leader.Process.Pid} }},
		{"shim", func(t *testing.T, leader *program, _ term) []int { return []int{leader.shim(t)} }},
		{"command and run", func(_ *testing.T, leader *program, first term) []int {
			return []int{first.pid("command"), leader.Process.Pid}
		}},
		{"command and shim", func(t *testing.T, leader *program, first term) []int {
			return []int{first.pid("command"), leader.shim(t)}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			onEachStore(t, func(t *testing.T, s scene) {
				leader, first, _ := s.pair(t, slow+" --grace 100ms", "-daemon", "daemon")
				signalTo(t, syscall.SIGKILL, c.victim(t, leader, first)...)
				s.awaitTerm(first.token, of("command", "daemon"))
				if code := leader.code(t); code != 137 {
					t.Errorf("exit code %d, want 137", code)
				}
			})
		})
	}
}

// The kernel kills the command with its shim, and nobody is left to end the session: it expires.
func TestRunAndShimKilledAtOnceOnEtcd(t *testing.T) {
	t.Parallel()
	s := scene{recorder: record(t), url: store(t)}
	leader, first, _ := s.pair(t, "--ttl 5s", "")
	signalTo(t, syscall.SIGKILL, leader.Process.Pid, leader.shim(t))
	s.awaitTerm(first.token, of("command"))
}

// What escapes then, keeps the session: it has inherited its lock.
func TestRunAndShimKilledAtOnceInADirectory(t *testing.T) {
	t.Parallel()
	s := scene{recorder: record(t), url: directory(t)}
	leader, first, _ := s.pair(t, slow, "-daemon", "daemon")
	signalTo(t, syscall.SIGKILL, leader.Process.Pid, leader.shim(t))
	s.awaitDeath(first.pid("command"))
	s.awaitMore(first.token, "daemon", 500) // a second, in which nobody else may start
	signalTo(t, syscall.SIGKILL, first.pid("daemon"))
	s.awaitTerm(first.token, of("command", "daemon"))
}

func TestStoppedRunLosesItsCommandInTime(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s scene) {
		leader, first, _ := s.pair(t, "--ttl 5s", "-trap -daemon", "daemon")
		signalTo(t, syscall.SIGSTOP, leader.Process.Pid)
		s.awaitTerm(0, of("term"))
		s.awaitDeath(first.pid("command"), first.pid("daemon"))
		if s.url[:4] == "file" { // it keeps its place there, for as long as it is stopped
			if n := s.count(); n != 1 {
				t.Errorf("%d terms while the leader is stopped, want 1", n)
			}
			signalTo(t, syscall.SIGCONT, leader.Process.Pid)
		}
		s.awaitTerm(first.token, of("command", "daemon"))
	})
}

// The kernel continues a stopped shim when its owner dies.
func TestRunKilledWhileItsShimIsStopped(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s scene) {
		leader, first, _ := s.pair(t, slow, "-daemon", "daemon")
		signalTo(t, syscall.SIGSTOP, leader.shim(t))
		signalTo(t, syscall.SIGKILL, leader.Process.Pid)
		s.awaitTerm(first.token, of("command", "daemon"))
	})
}

func TestRunToldToStopWhileItsShimIsStopped(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s scene) {
		leader, first, _ := s.pair(t, slow+" --grace 100ms", "-daemon", "daemon")
		signalTo(t, syscall.SIGSTOP, leader.shim(t))
		signalTo(t, syscall.SIGTERM, leader.Process.Pid)
		s.awaitTerm(first.token, of("command", "daemon"))
		if code := leader.code(t); code != 137 {
			t.Errorf("exit code %d, want 137", code)
		}
	})
}

func TestEtcdAwayForLongerThanTheTTL(t *testing.T) {
	t.Parallel()
	m, err := etcdtest.Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Stop)
	s := scene{recorder: record(t), url: storeOn(m, t.Name())}
	_, first, _ := s.pair(t, "--ttl 5s", "-trap -daemon", "daemon")
	m.Stop()
	s.awaitTerm(0, of("term"))
	s.awaitDeath(first.pid("command"), first.pid("daemon"))
	time.Sleep(3 * time.Second) // for the TTL to be over; whoever leads too early would be heard
	if n := s.count(); n != 1 {
		t.Errorf("%d terms while the store is away, want 1", n)
	}
	if err := m.Start(); err != nil {
		t.Fatal(err)
	}
	s.awaitTerm(first.token, of("command", "daemon"))
}

// The shim of a dead owner tries for a TTL to reach the store; who reads the command's output does not wait for that.
func TestStreamsEndWithTheCommandWhenTheStoreIsAway(t *testing.T) {
	t.Parallel()
	m, err := etcdtest.Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Stop)
	out := newLines() // a pipe, whose end launch waits for
	p := launch(t, nil, out, "run", "--name", "job", "--engine", storeOn(m, t.Name()), "--ttl", "5m", "--",
		"sh", "-c", "echo ready; sleep 1000")
	out.await(t, "ready")
	m.Stop()
	killed := time.Now()
	signalTo(t, syscall.SIGKILL, p.Process.Pid)
	if code := p.code(t); code != 137 {
		t.Errorf("exit code %d, want 137", code)
	}
	if d := time.Since(killed); d > limit*3/4 {
		t.Errorf("the streams ended after %v", d)
	}
}

// In a container it is the first process, to which all orphans come.
func TestRunAsPID1(t *testing.T) {
	t.Parallel()
	s := scene{recorder: record(t), url: directory(t)}
	inside := []string{"--pid", "--fork", "--mount-proc", "--kill-child"}
	if out, err := exec.Command("unshare", append(inside, "true")...).CombinedOutput(); err != nil {
		t.Skipf("no PID namespace can be made here: %v: %s", err, out)
	}
	s.prefix = append([]string{"unshare"}, inside...)
	leader := s.run(t, slow+" --grace 100ms", "-deaf -daemon")
	first := s.awaitTerm(0, of("command", "daemon"))
	s.prefix = nil
	waiter := s.run(t, slow, "")
	waiter.stderr.await(t, `job: waits: .*/1 leads`)
	one := children(t, leader.Process.Pid)[0]
	signalTo(t, syscall.SIGTERM, one)
	s.awaitTerm(first.token, of("command"))
	if code := leader.code(t); code != 137 {
		t.Errorf("exit code %d, want 137", code)
	}
}
