package guardtest_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/singleton-go/singleton" // what the program is made of: without it go test would keep old results
	_ "github.com/singleton-go/singleton/engine/etcdengine"
	"github.com/singleton-go/singleton/engine/etcdengine/etcdtest"
)

// program is where the program under test is. It is built without the server, as a user's would be.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "guardtest")
	if err == nil {
		program = filepath.Join(dir, "program")
		err = build()
	}
	code := 1
	if err == nil {
		code = m.Run()
	}
	if err := errors.Join(err, os.RemoveAll(dir)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func build() error {
	if out, err := exec.Command("go", "build", "-o", program, "./testdata/program").CombinedOutput(); err != nil {
		return fmt.Errorf("build the program: %w: %s", err, out)
	}
	return nil
}

// limit is for what takes milliseconds, on a machine that is busy. It is well below the TTL of the sessions.
const (
	ttl   = time.Minute
	limit = 30 * time.Second
)

func newMember(t *testing.T) *etcdtest.Member {
	t.Helper()
	m, err := etcdtest.Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Stop)
	return m
}

// A process is a run of the program.
type process struct {
	*exec.Cmd

	lines chan string // of its standard output; closed at its end
	log   *log
}

func start(t *testing.T, m *etcdtest.Member, change ...func(*exec.Cmd)) *process {
	t.Helper()
	p := &process{
		Cmd:   exec.Command(program, "-etcd", m.Endpoint(), "-ttl", ttl.String()),
		lines: make(chan string, 100), log: &log{},
	}
	for _, c := range change {
		c(p.Cmd)
	}
	p.Stderr = p.log
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(p.lines)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.lines <- lines.Text()
		}
	})
	t.Cleanup(func() {
		for _, pid := range p.children(t) {
			_ = syscall.Kill(pid, syscall.SIGKILL) // the member stops too, and a guard would wait for it
		}
		p.kill()
		reading.Wait()
		if t.Failed() {
			t.Logf("log of process %d:\n%s", p.Process.Pid, p.log)
		}
	})
	return p
}

// says waits for a line.
func (p *process) says(t *testing.T, want string) {
	t.Helper()
	select {
	case got := <-p.lines:
		if got != want {
			t.Fatalf("process %d says %q, want %q", p.Process.Pid, got, want)
		}
	case <-time.After(limit):
		t.Fatalf("process %d does not say %q", p.Process.Pid, want)
	}
}

// silent says whether the process has said nothing more so far.
func (p *process) silent() bool { return len(p.lines) == 0 }

func (p *process) kill() {
	_ = p.Process.Kill()
	_ = p.Wait()
}

// guard is the id of the guard process that this process has now.
func (p *process) guard(t *testing.T) int {
	t.Helper()
	var found int
	within(t, "a guard", func() bool {
		i := slices.IndexFunc(p.children(t), func(pid int) bool {
			found = pid
			line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			return err == nil && string(line) == "singleton-guard: program\x00"
		})
		return i >= 0
	})
	return found
}

func (p *process) children(t *testing.T) (pids []int) {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", p.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, _ := os.ReadFile(file) // the thread may have gone
		for word := range strings.FieldsSeq(string(text)) {
			pid, err := strconv.Atoi(word)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	return pids
}

// A log is what a process writes to its standard error.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// await waits until some text has been written so many times.
func (l *log) await(t *testing.T, text string, times int) {
	t.Helper()
	within(t, text, func() bool { return strings.Count(l.String(), text) >= times })
}

// within looks again and again until something outside of this process is so.
func within(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, limit)
		}
	}
}

// inQueue waits until so many processes are in the queue.
func inQueue(t *testing.T, m *etcdtest.Member, n int64) {
	t.Helper()
	client, err := m.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	within(t, "queue", func() bool {
		got, err := client.Get(ctx, "election//guardtest/singleton/worker/job/", prefixed...)
		return err == nil && got.Count == n
	})
}
