package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/singleton-go/singleton/engine/etcdengine/etcdtest"
)

// A contender is a way to run a command in one place at a time.
type contender struct {
	name    string
	command []string // what runs the command that is appended

	// waits says whether a candidate is in the queue, behind the one that leads.
	waits  func(ctx context.Context, c *candidate) (bool, error)
	faults []fault
}

// A fault ends a command, or its place.
type fault struct {
	name   string
	signal syscall.Signal
	holder bool // what runs the command gets the signal, and not the command
	slow   bool // nobody leads before the lease is over
}

// kinds are the programs that are built here.
var kinds = map[string][]string{
	"singleton": {"build", "-C", "../cmd/singleton"},
	"beat":      {"build", "-C", "gap/beat"},
	"etcdctl":   {"build", "-C", "gap/testdata/etcdctl"},
}

func build(ctx context.Context, dir string) error {
	if _, err := os.Stat("gap"); err != nil {
		return errors.New("to be run by: go run -C lab ./gap")
	}
	for name, args := range kinds {
		cmd := exec.CommandContext(ctx, "go", append(slices.Clone(args), "-o", filepath.Join(dir, name), ".")...)
		cmd.Env = append(os.Environ(), "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w: %s", name, err, out)
		}
	}
	return nil
}

func contenders(dir string, m *etcdtest.Member) ([]*contender, error) {
	flock, err := exec.LookPath("flock")
	if err != nil {
		return nil, fmt.Errorf("flock of Debian's util-linux: %w", err)
	}
	client, err := m.Client()
	if err != nil {
		return nil, err
	}
	singleton, etcdctl, lock := filepath.Join(dir, "singleton"), filepath.Join(dir, "etcdctl"), filepath.Join(dir, "lock")
	command := fault{name: "SIGKILL of the command", signal: syscall.SIGKILL}
	holder := fault{name: "SIGKILL of its holder", signal: syscall.SIGKILL, holder: true}
	stop := fault{name: "planned stop", signal: syscall.SIGTERM, holder: true}
	stopCommand := fault{name: "planned stop", signal: syscall.SIGTERM}
	expire := holder
	expire.slow = true
	own := func(engine string) []string {
		return []string{singleton, "run", "--name", "gap", "--ttl", "10s", "--engine", engine, "--"}
	}
	etcd := "etcd://" + strings.TrimPrefix(m.Endpoint(), "http://")
	return []*contender{
		{"singleton run, directory", own("file://" + filepath.Join(dir, "store")), saysSo, []fault{command, holder, stop}},
		{"flock", []string{flock, lock}, isBlocked, []fault{command, stopCommand}}, // its holder hands over never
		{"singleton run, etcd", own(etcd), saysSo, []fault{command, holder, stop}},
		{
			"etcdctl lock",
			[]string{etcdctl, "--endpoints", m.Endpoint(), "lock", "--ttl=10", "gap"},
			isQueued(client),
			[]fault{command, expire, stopCommand},
		},
	}, nil
}

// saysSo looks at what singleton tells people.
func saysSo(_ context.Context, c *candidate) (bool, error) { return c.said("gap: waits"), nil }

// isBlocked looks at the kernel's list of those who wait for a lock.
func isBlocked(_ context.Context, c *candidate) (bool, error) {
	text, err := os.ReadFile("/proc/locks")
	pid := strconv.Itoa(c.cmd.Process.Pid)
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) > 5 && words[1] == "->" && words[5] == pid {
			return true, err
		}
	}
	return false, err
}

// isQueued counts the keys of those who lead and wait.
func isQueued(client *clientv3.Client) func(ctx context.Context, _ *candidate) (bool, error) {
	return func(ctx context.Context, _ *candidate) (bool, error) {
		resp, err := client.Get(ctx, "gap/", clientv3.WithPrefix(), clientv3.WithCountOnly())
		if err != nil {
			return false, err
		}
		return resp.Count > 1, nil
	}
}
