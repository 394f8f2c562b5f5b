package fileengine_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/fileengine"
)

// patience is how long to wait for what must come.
const patience = 30 * time.Second

// roles are what this test's program does when it is started as another process. Each gets the directory and further words.
var roles = map[string]func(ctx context.Context, dir string, args []string) error{
	"hold":   hold,
	"bare":   bare,
	"borrow": borrow,
	"work":   work,
	"script": script,
}

const roleVariable = "SINGLETON_FILEENGINE_ROLE"

func TestMain(m *testing.M) {
	role := roles[os.Getenv(roleVariable)]
	if role == nil {
		os.Exit(m.Run())
	}
	if err := role(context.Background(), os.Args[1], os.Args[2:]); err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
}

// inMemory returns a directory for a store that is quick on every machine.
func inMemory(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "fileengine") //nolint:usetesting // t.TempDir is on a disk
	if err != nil {
		return t.TempDir() + "/store"
	}
	t.Cleanup(func() { os.RemoveAll(dir) }) //nolint:errcheck // it is empty but for what the test has left
	return dir
}

// A process is another process in a role.
type process struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines chan string // what it prints; closed at its end
}

// start starts a process, which ends with the test at the latest.
func start(t testing.TB, role, dir string, args ...string) *process {
	t.Helper()
	p := &process{cmd: command(role, dir, args...), lines: make(chan string, 1<<16)}
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	t.Cleanup(p.kill)
	return p
}

func command(role, dir string, args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], append([]string{dir}, args...)...)
	cmd.Env = append(os.Environ(), roleVariable+"="+role, "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a test that times out cleans nothing up
	return cmd
}

// says returns the rest of the next line that begins with word.
func (p *process) says(t testing.TB, word string) string {
	t.Helper()
	late := time.After(patience)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				t.Fatalf("the process ended before it said %q", word)
			}
			if strings.HasPrefix(line, "error") {
				t.Fatalf("the process says: %s", line)
			}
			if rest, ok := strings.CutPrefix(line, word+" "); ok || line == word {
				return rest
			}
		case <-late:
			t.Fatalf("the process did not say %q within %v", word, patience)
		}
	}
}

func (p *process) signal(sig syscall.Signal) { _ = syscall.Kill(p.cmd.Process.Pid, sig) }

// kill kills the process and waits until it is gone.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	for range p.lines {
		continue
	}
	_ = p.cmd.Wait()
}

// hold opens a session, creates records of the given keys, and goes on until its input ends.
func hold(ctx context.Context, dir string, keys []string) error {
	_, s, err := openSession(ctx, dir)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if _, err := s.Create(ctx, key, nil); err != nil {
			return err
		}
	}
	fmt.Println("ready", s.ID())
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		err := s.Renew(ctx)
		fmt.Println("renewed", errors.Is(err, engine.ErrLost), err)
	}
	return nil
}

// borrow is hold with a child that shares the session, and does nothing but sleep.
func borrow(ctx context.Context, dir string, keys []string) error {
	_, s, err := openSession(ctx, dir)
	if err != nil {
		return err
	}
	shared, err := s.(fileengine.Sharer).Share()
	if err != nil {
		return err
	}
	child := exec.Command("sleep", "60")
	child.ExtraFiles = []*os.File{shared}
	if err := child.Start(); err != nil {
		return err
	}
	if _, err := s.Create(ctx, keys[0], nil); err != nil {
		return err
	}
	fmt.Println("child", child.Process.Pid)
	<-ctx.Done()
	return nil
}

func openSession(ctx context.Context, dir string) (engine.Engine, engine.Session, error) {
	e, err := fileengine.New(dir)
	if err != nil {
		return nil, nil, err
	}
	s, err := e.Open(ctx, engine.SessionOptions{TTL: ttl, Owner: "test"})
	return e, s, err
}
