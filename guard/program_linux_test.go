package guard_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/guard"
)

const (
	storeVariable  = "GUARD_TEST_STORE"  // where the program finds its store
	brokenVariable = "GUARD_TEST_BROKEN" // makes guards end at once
)

// The test's own binary is the program that is guarded, where it finds a store.
func TestMain(m *testing.M) {
	if os.Getenv(brokenVariable) != "" && strings.HasPrefix(os.Args[0], "singleton-guard") {
		fmt.Fprintln(os.Stderr, "an init function failed")
		os.Exit(7)
	}
	guard.Main(openStore)
	if os.Getenv(storeVariable) == "" {
		os.Exit(m.Run())
	}
	if err := program(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// openStore complains on standard error, where nobody may listen any more.
func openStore(context.Context) (engine.Engine, error) {
	e, err := dial(os.Getenv(storeVariable))
	if err != nil {
		fmt.Fprintln(os.Stderr, "openStore:", err)
	}
	return e, err
}

func program(in io.Reader, out io.Writer) error {
	eng, err := openStore(context.Background())
	if err != nil {
		return err
	}
	g, err := guard.Start(context.Background(), slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return err
	}
	s := &script{guard: g, engine: g.Protect(eng)}
	for lines := bufio.NewScanner(in); lines.Scan(); {
		verb, arg, _ := strings.Cut(lines.Text(), " ")
		answer, err := s.do(verb, arg)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(out, answer); err != nil {
			return err
		}
	}
	return nil
}

// A script is what the program does when it is told to.
type script struct {
	guard    *guard.Guard
	engine   engine.Engine
	sessions []engine.Session
}

// do does one thing and returns the answer, a line.
func (s *script) do(verb, arg string) (string, error) {
	ctx := context.Background()
	switch verb {
	case "open":
		session, err := s.engine.Open(ctx, engine.SessionOptions{TTL: 5 * time.Minute})
		if err != nil {
			return "", err
		}
		s.sessions = append(s.sessions, session)
		return session.ID(), nil
	case "close": // but for the last ones, as many as arg says
		n, err := strconv.Atoi(arg)
		for _, session := range s.sessions[:len(s.sessions)-n] {
			err = errors.Join(err, session.Close(ctx))
		}
		s.sessions = s.sessions[len(s.sessions)-n:]
		return "closed", err
	case "stop":
		s.guard.Stop(ctx)
		return "stopped", nil
	case "cycle":
		return s.cycle()
	case "leak":
		return leak()
	case "exec":
		return "", syscall.Exec("/bin/sleep", []string{"sleep", "60"}, nil)
	case "orphan": // one that dies, and one that lives on
		return "made", exec.Command("/bin/sh", "-c", "(sleep 0.01 & sleep 60 &)").Run()
	case "args":
		return fmt.Sprintf("%q, child of PID 1 is %t, variable %q", os.Args[1:], os.Getppid() == 1, os.Getenv("SINGLETON_GUARD")), nil
	case "exit":
		code, err := strconv.Atoi(arg)
		if err == nil {
			os.Exit(code)
		}
		return "", err
	case "panic":
		panic(arg)
	}
	return "", fmt.Errorf("unknown: %q", verb)
}

// cycle starts and stops guards, and tells how many goroutines and files there are more than before.
func (s *script) cycle() (string, error) {
	count := func() (int, int) {
		files, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			return 0, 0
		}
		return runtime.NumGoroutine(), len(files)
	}
	goroutines, files := count()
	for range 5 {
		g, err := guard.Start(context.Background(), nil)
		if err != nil {
			return "", err
		}
		g.Stop(context.Background())
	}
	moreGoroutines, moreFiles := count()
	for range 100 { // the last one may have said so, and not ended yet
		if moreGoroutines == goroutines {
			break
		}
		time.Sleep(time.Millisecond)
		moreGoroutines, moreFiles = count()
	}
	return fmt.Sprint(moreGoroutines-goroutines, moreFiles-files), nil
}

// leak lets a child have all pipes of this process, and tells its pid.
func leak() (string, error) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return "", err
	}
	child := exec.Command("/bin/sleep", "60")
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil || fd < 3 {
			continue
		}
		if to, _ := os.Readlink("/proc/self/fd/" + e.Name()); strings.HasPrefix(to, "pipe:") {
			copied, err := syscall.Dup(fd)
			if err != nil {
				return "", err
			}
			child.ExtraFiles = append(child.ExtraFiles, os.NewFile(uintptr(copied), to))
		}
	}
	err = child.Start()
	return strconv.Itoa(child.Process.Pid), err
}

// A process is a run of the program.
type process struct {
	*exec.Cmd

	in  io.Writer
	out *bufio.Scanner
	log *journal
}

// start starts the program on a store; it has its guard when it gives its first answer.
func start(t *testing.T, s *store, change ...func(*exec.Cmd)) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(os.Args[0], "one", "two"), log: &journal{}}
	p.Env = append(os.Environ(), storeVariable+"="+s.socket, "GORACE=atexit_sleep_ms=0")
	p.Stderr = p.log
	p.WaitDelay = 10 * time.Second
	in, err := p.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.in, p.out = in, bufio.NewScanner(out)
	for _, c := range change {
		c(p.Cmd)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for pid, line := range p.children(t) {
			if strings.HasPrefix(line, "singleton-guard: ") {
				_ = syscall.Kill(pid, syscall.SIGKILL) // the store goes too, and it would wait for that
			}
		}
		p.kill()
		if t.Failed() {
			t.Logf("the program's log:\n%s", p.log)
		}
	})
	return p
}

// do makes the program do something, and returns its answer.
func (p *process) do(t *testing.T, line string) string {
	t.Helper()
	p.tell(t, line)
	if !p.out.Scan() {
		t.Fatalf("%s: the program has ended", line)
	}
	return p.out.Text()
}

// tell is do without an answer.
func (p *process) tell(t *testing.T, line string) {
	t.Helper()
	if _, err := fmt.Fprintln(p.in, line); err != nil {
		t.Fatal(err)
	}
}

// kill ends the program by SIGKILL, and waits for that.
func (p *process) kill() {
	_ = p.Process.Kill()
	_ = p.Wait()
}

// children are the processes below this one, by their command lines; that of a zombie is empty.
func (p *process) children(t *testing.T) map[int]string {
	t.Helper()
	all := map[int]string{}
	tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", p.Process.Pid)) // there are none of a process that has ended
	for _, task := range tasks {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", p.Process.Pid, task.Name())) // it may have gone
		for word := range strings.FieldsSeq(string(text)) {
			pid, err := strconv.Atoi(word)
			if err != nil {
				t.Fatal(err)
			}
			line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			all[pid] = string(line)
		}
	}
	return all
}

// files is how many files the process has open.
func (p *process) files(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// guardPID is the id of the only guard that this process has now, other than these.
func (p *process) guardPID(t *testing.T, others ...int) int {
	t.Helper()
	found := 0
	within(t, "a guard", func() bool {
		for pid, line := range p.children(t) {
			if strings.HasPrefix(line, "singleton-guard: ") && !slices.Contains(others, pid) {
				found = pid
				return true
			}
		}
		return false
	})
	return found
}

// within looks again and again until something outside of this process is so.
func within(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within the limit", what)
		}
	}
}
