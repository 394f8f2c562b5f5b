package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/singleton-go/singleton"
)

// twoNodes has alpha lead worker/nightly, and beta wait.
func twoNodes(t *testing.T) (url string) {
	t.Helper()
	url = store(t)
	join(t, url, "alpha", singleton.Worker("nightly", idle))
	await(t, url, "alpha leads", queue("worker/nightly", "alpha"))
	join(t, url, "beta", singleton.Worker("nightly", idle))
	await(t, url, "beta waits", queue("worker/nightly", "alpha", "beta"))
	return url
}

func TestStatusShowsWhoLeadsAndWhoWaits(t *testing.T) {
	t.Parallel()
	url, pid := twoNodes(t), os.Getpid()
	table := fmt.Sprintf(`^ELECTION +LEADER +SINCE +TOKEN +WAITING\nworker/nightly +alpha/%d +\d+s +\d+ +beta/%d\n$`, pid, pid)
	for _, args := range [][]string{{"status"}, {"status", "nightly"}, {"status", "worker/nightly"}} {
		stdout, stderr, err := call(t, append(args, "--engine", url)...)
		if err != nil || !regexp.MustCompile(table).MatchString(stdout) {
			t.Errorf("%s: %v %s\n%s", args, err, stderr, stdout)
		}
	}
	stdout, _, err := call(t, "status", "nightly", "--json", "--engine", url)
	var list []shown
	if err != nil || json.Unmarshal([]byte(stdout), &list) != nil || len(list) != 1 {
		t.Fatalf("--json: %v\n%s", err, stdout)
	}
	s := list[0]
	if s.Election != "worker/nightly" || s.Leader.PID != pid || s.Token == 0 || s.Since == nil || len(s.Waiting) != 1 {
		t.Errorf("--json: %+v", s)
	}
}

func TestStatusOfAnElectionThatNobodyEntered(t *testing.T) {
	t.Parallel()
	url := store(t)
	_, stderr, err := call(t, "status", "hourly", "--engine", url)
	if exitCode(err) != exitFailed || stderr != "singleton: hourly: nobody leads, and nobody waits\n" {
		t.Errorf("exit code %d: %s", exitCode(err), stderr)
	}
	if stdout, _, err := call(t, "status", "--json", "--engine", url); err != nil || stdout != "[]\n" {
		t.Errorf("an empty cluster as JSON: %v\n%s", err, stdout)
	}
}

func TestANameThatCouldBeTwoElectionsIsRefused(t *testing.T) {
	t.Parallel()
	url := store(t)
	join(t, url, "alpha", singleton.Worker("ledger", idle), singleton.Service("ledger", idle))
	await(t, url, "the worker runs", queue("worker/ledger", "alpha"))
	await(t, url, "the service runs", queue("service/ledger", "alpha"))
	_, stderr, err := call(t, "resign", "ledger", "--engine", url)
	if exitCode(err) != exitFailed || stderr != "singleton: ledger: could be worker/ledger or service/ledger: say which\n" {
		t.Errorf("exit code %d: %s", exitCode(err), stderr)
	}
}

func TestResignLetsTheNextOneLead(t *testing.T) {
	t.Parallel()
	url := twoNodes(t)
	stdout, stderr, err := call(t, "resign", "nightly", "--engine", url)
	want := regexp.MustCompile(fmt.Sprintf(`^worker/nightly: beta/%d leads, token \d+\n$`, os.Getpid()))
	if err != nil || !want.MatchString(stdout) {
		t.Errorf("resign: %v %s\n%s", err, stderr, stdout)
	}
	await(t, url, "alpha waits", queue("worker/nightly", "beta", "alpha"))
}

func TestTransferPassesOverThoseBetween(t *testing.T) {
	t.Parallel()
	url := twoNodes(t)
	join(t, url, "gamma", singleton.Worker("nightly", idle))
	await(t, url, "gamma waits", queue("worker/nightly", "alpha", "beta", "gamma"))
	stdout, stderr, err := call(t, "transfer", "nightly", "--to", "gamma", "--engine", url)
	if err != nil || !strings.HasPrefix(stdout, "worker/nightly: gamma/") {
		t.Errorf("transfer: %v %s\n%s", err, stderr, stdout)
	}
}

func TestTransferIsRefusedWithTheChoices(t *testing.T) {
	t.Parallel()
	url := twoNodes(t)
	join(t, url, "beta", singleton.Worker("nightly", idle))
	await(t, url, "another beta waits", queue("worker/nightly", "alpha", "beta", "beta"))
	for _, c := range []struct {
		to   string
		code int
		want string
	}{
		{"delta", exitFailed, "unknown node; those who wait: beta/"},
		{"beta", exitFailed, "ambiguous node: beta/"},
		{"alpha", exitFailed, "it leads already"},
		{"", exitUsage, "--to: say which node"},
	} {
		_, stderr, err := call(t, "transfer", "nightly", "--to", c.to, "--engine", url)
		if exitCode(err) != c.code || !strings.Contains(stderr, c.want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("to %q: exit code %d, want %d: %s", c.to, exitCode(err), c.code, stderr)
		}
	}
}

// lines are written by a command that runs beside the test.
type lines struct {
	mu    sync.Mutex
	text  bytes.Buffer
	wrote chan struct{}
}

func newLines() *lines { return &lines{wrote: make(chan struct{}, 1)} }

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.wrote <- struct{}{}:
	default:
	}
	return l.text.Write(p)
}

// await waits until what was written matches.
func (l *lines) await(t *testing.T, pattern string) {
	t.Helper()
	want := regexp.MustCompile(pattern)
	for {
		l.mu.Lock()
		text := l.text.String()
		l.mu.Unlock()
		if want.MatchString(text) {
			return
		}
		select {
		case <-l.wrote:
		case <-t.Context().Done():
			t.Fatalf("the test was stopped while it waited for %s in\n%s", pattern, text)
		}
	}
}

func TestWatchFollowsTheLeader(t *testing.T) {
	t.Parallel()
	for _, format := range []struct {
		flag    string
		pattern string // for the name of the leader
	}{
		{"--json=false", `worker/nightly: %s/\d+ leads, token \d+\n`},
		{"--json", `"election":"worker/nightly","leader":{"node":"%s/\d+"`},
	} {
		t.Run(format.flag, func(t *testing.T) {
			t.Parallel()
			url, out, errs := twoNodes(t), newLines(), newLines()
			ctx, cancel := context.WithCancelCause(t.Context())
			done := make(chan error, 1)
			go func() {
				done <- execute(ctx, []string{"watch", "nightly", format.flag, "--engine", url}, strings.NewReader(""), out, errs)
			}()
			out.await(t, fmt.Sprintf(format.pattern, "alpha"))
			if _, stderr, err := call(t, "resign", "nightly", "--engine", url); err != nil {
				t.Fatal(err, stderr)
			}
			out.await(t, fmt.Sprintf(format.pattern, "beta"))
			cancel(&interruption{2})
			if err := <-done; exitCode(err) != 130 {
				t.Errorf("ended by a signal: %v", err)
			}
		})
	}
}

func TestEnvSaysWhatABugReportNeeds(t *testing.T) {
	t.Parallel()
	url := twoNodes(t)
	stdout, stderr, err := call(t, "env", "--engine", url)
	for _, want := range []string{url + " (from --engine)", "yes, after ", "nodes 2, elections 1", "suspended", "clock rate", "go1."} {
		if err != nil || !strings.Contains(stdout, want) {
			t.Errorf("%v %s: no %q in\n%s", err, stderr, want, stdout)
		}
	}
	stdout, _, err = call(t, "env", "--json", "--engine", url)
	var e environment
	if err != nil || json.Unmarshal([]byte(stdout), &e) != nil || e.Store.Nodes != 2 || e.Store.Answered <= 0 {
		t.Errorf("--json: %v\n%s", err, stdout)
	}
}

func TestAStoreThatDoesNotAnswerIsNamed(t *testing.T) {
	t.Parallel()
	const nobody = "etcd://127.0.0.1:1"
	for _, args := range []string{"status", "env", "resign nightly", "transfer nightly --to beta"} {
		_, stderr, err := call(t, append(strings.Fields(args), "--engine", nobody, "--timeout", "100ms")...)
		if exitCode(err) != exitFailed || !strings.Contains(stderr, "no answer within 100ms from "+nobody) {
			t.Errorf("%s: exit code %d: %s", args, exitCode(err), stderr)
		}
	}
}

func TestTheEngineComesFromTheFlagOrTheEnvironmentOrIsFixed(t *testing.T) {
	_, from := (&storeChoice{}).engineURL()
	if from != "the default" {
		t.Skip(engineVariable + " is set")
	}
	t.Setenv("HOME", "/elsewhere")
	t.Setenv("TMPDIR", "/elsewhere")
	t.Setenv("XDG_RUNTIME_DIR", "/elsewhere")
	want := fmt.Sprintf("file:///var/tmp/singleton-%d", os.Getuid())
	if url, _ := (&storeChoice{}).engineURL(); url != want {
		t.Errorf("the default is %s, want %s", url, want)
	}
	t.Setenv(engineVariable, "ram:")
	if url, from := (&storeChoice{}).engineURL(); url != "ram:" || from != "$SINGLETON_ENGINE" {
		t.Errorf("from the environment: %s, %s", url, from)
	}
	if url, from := (&storeChoice{url: "etcd://a"}).engineURL(); url != "etcd://a" || from != "--engine" {
		t.Errorf("from the flag: %s, %s", url, from)
	}
}

func TestTwoPrefixesAreRefused(t *testing.T) {
	t.Parallel()
	_, stderr, err := call(t, "status", "--engine", "etcd://127.0.0.1:1/a", "--prefix", "/b")
	if exitCode(err) != exitUsage || !strings.Contains(stderr, `prefix "/b": the engine's URL says "/a"`) {
		t.Errorf("exit code %d: %s", exitCode(err), stderr)
	}
}

func TestShellsCompleteNamesFromTheCluster(t *testing.T) {
	t.Parallel()
	url := twoNodes(t)
	stdout, _, err := call(t, "__complete", "resign", "--engine", url, "")
	if err != nil || !strings.Contains(stdout, "worker/nightly\tled by alpha/") {
		t.Errorf("elections: %v\n%s", err, stdout)
	}
	stdout, _, err = call(t, "__complete", "transfer", "nightly", "--engine", url, "--to", "")
	if err != nil || !strings.HasPrefix(stdout, "beta/") {
		t.Errorf("nodes: %v\n%s", err, stdout)
	}
}
