package guardtest_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/singleton-go/singleton/engine/etcdengine/etcdtest"
)

var prefixed = []clientv3.OpOption{clientv3.WithPrefix(), clientv3.WithCountOnly()}

// leaderAndNext starts a leader and a process that waits behind it.
func leaderAndNext(t *testing.T, m *etcdtest.Member, change ...func(*exec.Cmd)) (leader, next *process) {
	t.Helper()
	leader = start(t, m, change...)
	leader.says(t, "leads")
	next = start(t, m)
	inQueue(t, m, 2)
	return leader, next
}

func TestCrashCostsMilliseconds(t *testing.T) {
	t.Parallel()
	m := newMember(t)
	leader, next := leaderAndNext(t, m)
	var gaps []time.Duration
	for range 20 {
		killed := time.Now()
		_ = leader.Process.Kill()
		next.says(t, "leads")
		gaps = append(gaps, time.Since(killed))
		leader.kill()
		leader, next = next, start(t, m)
		inQueue(t, m, 2)
	}
	slices.Sort(gaps)
	t.Logf("from SIGKILL to the next leader's start, TTL %v: median %v, longest %v", ttl, gaps[len(gaps)/2], gaps[len(gaps)-1])
}

func TestGuardIsSmall(t *testing.T) {
	t.Parallel()
	p := start(t, newMember(t))
	p.says(t, "leads")
	const most = 25 << 10
	if got := resident(t, p.guard(t)); got > most {
		t.Errorf("the guard has %d KiB resident, want up to %d", got, most)
	} else {
		t.Logf("resident: guard %d KiB, process %d KiB", got, resident(t, p.Process.Pid))
	}
}

// resident is how much of a process is in memory, in KiB.
func resident(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); words[0] == "VmRSS:" {
			n, err := strconv.Atoi(words[1])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("process %d has ended", pid)
	return 0
}

func TestLeadershipOutlivesTheGuard(t *testing.T) {
	t.Parallel()
	leader, next := leaderAndNext(t, newMember(t))
	for i := range 3 {
		if err := syscall.Kill(leader.guard(t), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		leader.log.await(t, "guard replaced", i+1)
	}
	if !leader.silent() || !next.silent() {
		t.Error("leadership was lost with the guard")
	}
	leader.kill()
	next.says(t, "leads")
}

func TestStoreAwayAtTheCrash(t *testing.T) {
	t.Parallel()
	m := newMember(t)
	leader, next := leaderAndNext(t, m)
	m.Stop()
	leader.kill()
	if err := m.Start(); err != nil {
		t.Fatal(err)
	}
	next.says(t, "leads")
}

func TestGuardKnowsTheLatestSession(t *testing.T) {
	t.Parallel()
	m := newMember(t)
	leader := start(t, m)
	leader.says(t, "leads")
	endAllSessions(t, m)
	leader.says(t, "leads no longer")
	leader.says(t, "leads")
	next := start(t, m)
	inQueue(t, m, 2)
	leader.kill()
	next.says(t, "leads")
}

// endAllSessions does what an outage longer than the TTL does.
func endAllSessions(t *testing.T, m *etcdtest.Member) {
	t.Helper()
	client, err := m.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	all, err := client.Leases(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, lease := range all.Leases {
		if _, err := client.Revoke(t.Context(), lease.ID); err != nil {
			t.Fatal(err)
		}
	}
}

// Those who manage services tell all processes of a service at once to end.
func TestOrderlyStopTakesTheGuardAlong(t *testing.T) {
	t.Parallel()
	leader, next := leaderAndNext(t, newMember(t))
	guard := leader.guard(t)
	for _, pid := range []int{guard, leader.Process.Pid} {
		if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	leader.says(t, "leads no longer")
	next.says(t, "leads")
	leader.says(t, "stopped")
	if err := syscall.Kill(guard, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the guard is still there when Run has returned: %v", err)
	}
	if err := leader.Wait(); err != nil {
		t.Errorf("the process ended with %v", err)
	}
}

func TestAsPID1(t *testing.T) {
	t.Parallel()
	isolated := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	probe := exec.Command("/bin/true")
	probe.SysProcAttr = isolated
	if err := probe.Run(); errors.Is(err, syscall.EPERM) && os.Getenv("CI") == "" {
		t.Skipf("run as root to test PID 1: %v", err)
	}
	leader, next := leaderAndNext(t, newMember(t), func(c *exec.Cmd) { c.SysProcAttr = isolated })
	for _, child := range leader.children(t) {
		if err := syscall.Kill(child, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	next.says(t, "leads")
	_ = leader.Wait()
	if got := leader.ProcessState.ExitCode(); got != 128+9 {
		t.Errorf("exit code %d, want %d", got, 128+9)
	}
}
