package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/singleton-go/singleton/discovery"
)

func TestExitCodeIsTheCommands(t *testing.T) {
	t.Parallel()
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("exit 5\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("exit $1\n"), 0o700); err != nil { // has no line that says what runs it
		t.Fatal(err)
	}
	url := directory(t)
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"--name a -- true", 0, ""},
		{"--name a -- false", 1, ""},
		{"--name a true", 0, ""},
		{"--name a sh -c exit", 0, ""},
		{"--name a -- " + script + " 6", 6, ""},
		{"--name a -- " + plain, exitNotExecutable, "can't be executed"},
		{"--name a -- /", exitNotExecutable, "/: "},
		{"--name a -- no-such-command", exitNotFound, "no-such-command: command not found"},
		{"--name a -- ./no/such", exitNotFound, "./no/such: command not found"},
		{"--name a", exitRunFailed, "requires at least 1 arg"},
		{"-- true", exitRunFailed, "--name: say what"},
		{"--name a/b -- true", exitRunFailed, `worker "a/b"`},
		{"--name a --ttl 1s --drain 2s -- true", exitRunFailed, "Drain 2s"},
		{"--name a --grace -1s -- true", exitRunFailed, "--grace -1s"},
		{"--name a --nope -- true", exitRunFailed, "unknown flag: --nope"},
		{"--name a --engine redis: -- true", exitRunFailed, `scheme "redis"`},
		{"--name a --prefix x/ -- true", exitRunFailed, `prefix "x/"`},
	} {
		p := launch(t, nil, nil, append([]string{"run", "--quiet", "--engine", url}, strings.Fields(c.args)...)...)
		code := p.code(t)
		if said := p.stderr.String(); code != c.code || !strings.Contains(said, c.says) || c.says == "" && said != "" {
			t.Errorf("%s: exit code %d, want %d; stderr %q, want %q", c.args, code, c.code, said, c.says)
		}
	}
}

func TestExitCodeOfACommandThatASignalEnds(t *testing.T) {
	t.Parallel()
	p := launch(t, nil, nil, "run", "--name", "a", "--engine", directory(t), "--", "sh", "-c", "kill -USR1 $$")
	if code := p.code(t); code != 128+int(syscall.SIGUSR1) {
		t.Errorf("exit code %d", code)
	}
}

func TestCommandGetsStreamsEnvironmentAndDirectoryAsTheyAre(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	script := `cat; echo "$SINGLETON_NAME" "$SINGLETON_TOKEN" "$SINGLETON_NODE" "$PWD" "$0" "$1"; echo oops >&2`
	p := launch(t, strings.NewReader("from stdin\n"), &out, "run", "--name", "a", "--node", "here", "--engine", directory(t), "--",
		"sh", "-c", script, "zero", "--one")
	if code := p.code(t); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	var token uint64
	var node, rest string
	got, _ := strings.CutPrefix(out.String(), "from stdin\na ")
	if _, err := fmt.Sscan(got, &token, &node, &rest); err != nil || token == 0 || node != fmt.Sprintf("here/%d", p.Process.Pid) {
		t.Errorf("%v: %q", err, out.String())
	}
	if want := dir + " zero --one\n"; !strings.HasSuffix(got, want) {
		t.Errorf("%q does not end with %q", got, want)
	}
	p.stderr.await(t, "(?m)^oops$")
}

func TestSignalsGoToTheCommand(t *testing.T) {
	t.Parallel()
	url := directory(t)
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH} {
		out := newLines()
		script := fmt.Sprintf(`trap 'exit 9' %d; echo ready; while :; do sleep 0.01; done`, sig)
		p := launch(t, nil, out, "run", "--name", strconv.Itoa(int(sig)), "--engine", url, "--", "sh", "-c", script)
		out.await(t, "ready")
		signalTo(t, sig, p.Process.Pid)
		if code := p.code(t); code != 9 {
			t.Errorf("%v: exit code %d, want 9", sig, code)
		}
	}
}

func TestPlannedStop(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, flags, options string
		code                 int
	}{
		{"of one that heeds TERM", "--grace 1m", "-trap", 7},
		{"of one that does not", "--grace 100ms", "-deaf", 137},
		{"with a deaf grandchild", "--grace 100ms", "-trap -daemon", 7},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			onEachStore(t, func(t *testing.T, s scene) {
				leader, first, waiter := s.pair(t, slow+" "+c.flags, c.options)
				signalTo(t, syscall.SIGTERM, leader.Process.Pid)
				s.awaitTerm(first.token, of("command"))
				if code := leader.code(t); code != c.code {
					t.Errorf("exit code %d, want %d", code, c.code)
				}
				signalTo(t, syscall.SIGKILL, waiter.Process.Pid)
			})
		})
	}
}

func TestSecondSignalKillsAtOnce(t *testing.T) {
	t.Parallel()
	s := scene{recorder: record(t), url: directory(t)}
	leader, first, _ := s.pair(t, slow+" --grace 10m", "-deaf -daemon", "daemon")
	signalTo(t, syscall.SIGINT, leader.Process.Pid)
	leader.stderr.await(t, "job: stops the command: stopped: ended by signal: interrupt")
	signalTo(t, syscall.SIGINT, leader.Process.Pid)
	s.awaitTerm(first.token, of("command", "daemon"))
	if code := leader.code(t); code != 130 {
		t.Errorf("exit code %d, want 130", code)
	}
}

func TestStopWhileWaiting(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			s := scene{recorder: record(t), url: directory(t)}
			_, _, waiter := s.pair(t, slow, "")
			signalTo(t, sig, waiter.Process.Pid)
			if code := waiter.code(t); code != 128+int(sig) {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

func TestCommandThatEndsAtOnceLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s scene) {
		first := s.run(t, "--grace 100ms", "-daemon -exit 3")
		if code := first.code(t); code != 3 {
			t.Errorf("exit code %d, want 3", code)
		}
		second := s.run(t, "--grace 100ms", "-daemon -exit 4") // the recorder sees to it that nothing of the first one lives
		if code := second.code(t); code != 4 {
			t.Errorf("exit code %d, want 4", code)
		}
		if s.count() != 2 {
			t.Errorf("%d terms, want 2", s.count())
		}
	})
}

func TestOnceDoesNotWait(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s scene) {
		leader := s.run(t, slow+" --once", "-trap")
		s.awaitTerm(0, of("command"))
		second := s.run(t, slow+" --once", "")
		if code := second.code(t); code != exitHeld {
			t.Errorf("exit code %d, want %d", code, exitHeld)
		}
		second.stderr.await(t, fmt.Sprintf(`^singleton: .*/%d leads, token \d+\n$`, leader.Process.Pid))
		signalTo(t, syscall.SIGTERM, leader.Process.Pid)
		if code := leader.code(t); code != 7 {
			t.Errorf("exit code %d, want 7", code)
		}
		if s.count() != 1 {
			t.Errorf("%d terms, want 1", s.count())
		}
	})
}

func TestOnceDoesNotWaitForAStoreThatIsAway(t *testing.T) {
	t.Parallel()
	p := launch(t, nil, nil, "run", "--name", "a", "--once", "--ttl", "1s", "--engine", "etcd://127.0.0.1:1", "--", "true")
	if code := p.code(t); code != exitRunFailed {
		t.Errorf("exit code %d, want %d", code, exitRunFailed)
	}
	p.stderr.await(t, "no answer within 1s from the store")
}

func TestRestartStartsTheCommandAgain(t *testing.T) {
	t.Parallel()
	s := scene{recorder: record(t), url: directory(t)}
	p := s.run(t, slow+" --restart", "-exit 0")
	first := s.awaitTerm(0, of("command"))
	s.awaitTerm(first.token, of("command"))
	signalTo(t, syscall.SIGTERM, p.Process.Pid)
	p.code(t)
}

func TestWishesReachTheCommand(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s scene) {
		_, first, waiter := s.pair(t, slow+" --grace 1m", "-trap")
		stdout, stderr, err := call(t, "resign", "job", "--engine", s.url)
		if want := fmt.Sprintf("/%d leads, token ", waiter.Process.Pid); err != nil || !strings.Contains(stdout, want) {
			t.Errorf("resign: %v %s\n%s", err, stderr, stdout)
		}
		second := s.awaitTerm(first.token, of("command"))
		await(t, s.url, "the first one waits again", func(c discovery.Cluster) bool {
			e, _ := c.Election("worker/job")
			return e.Leader.Token == second.token && len(e.Waiting) == 1
		})
		if first = s.awaitTerm(0, of("command")); first.beats["term"] != 1 {
			t.Errorf("the command got TERM %d times, want once", first.beats["term"])
		}
		stdout, stderr, err = call(t, "transfer", "job", "--to", hostName(t)+"/"+strconv.Itoa(waiter.Process.Pid), "--engine", s.url)
		if err == nil || !strings.Contains(stderr, "it leads already") {
			t.Errorf("transfer to the leader: %v %s\n%s", err, stderr, stdout)
		}
	})
}

func hostName(t *testing.T) string {
	t.Helper()
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func TestARemovedDirectoryStopsTheCommand(t *testing.T) {
	t.Parallel()
	s := scene{recorder: record(t), url: directory(t)}
	leader := s.run(t, "--ttl 3s", "-trap")
	first := s.awaitTerm(0, of("command"))
	if err := os.RemoveAll(strings.TrimPrefix(s.url, "file://")); err != nil {
		t.Fatal(err)
	}
	s.awaitTerm(0, of("term"))
	s.awaitDeath(first.pid("command"))
	if code := leader.code(t); code != exitRunFailed {
		t.Errorf("exit code %d, want %d, so that somebody starts it again", code, exitRunFailed)
	}
}

func TestADirectoryThatCantBeWrittenIsRefused(t *testing.T) {
	t.Parallel()
	p := launch(t, nil, nil, "run", "--name", "a", "--engine", "file:///proc/store", "--", "true")
	if code := p.code(t); code != exitRunFailed {
		t.Errorf("exit code %d, want %d", code, exitRunFailed)
	}
	p.stderr.await(t, `^singleton: engine URL "file:///proc/store": .*\n$`)
}
