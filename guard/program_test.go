package guard_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/guard"
)

const storeVariable = "GUARD_TEST_STORE"

// The test's own binary is the program that is guarded, where it finds a store.
func TestMain(m *testing.M) {
	guard.Main(openStore)
	if os.Getenv(storeVariable) == "" {
		os.Exit(m.Run())
	}
	if err := program(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func openStore(context.Context) (engine.Engine, error) { return dial(os.Getenv(storeVariable)) }

// program does what it reads, line by line, and answers each line with one.
func program(in io.Reader, out io.Writer) error {
	eng, err := openStore(context.Background())
	if err != nil {
		return err
	}
	g, err := guard.Start(context.Background(), slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return err
	}
	var sessions []engine.Session
	for lines := bufio.NewScanner(in); lines.Scan(); {
		verb, arg, _ := strings.Cut(lines.Text(), " ")
		answer := "done"
		switch verb {
		case "open":
			ttl, err := time.ParseDuration(arg)
			if err != nil {
				return err
			}
			s, err := g.Protect(eng).Open(context.Background(), engine.SessionOptions{TTL: ttl})
			if err != nil {
				return err
			}
			sessions = append(sessions, s)
			answer = s.ID()
		case "close":
			for _, s := range sessions {
				if err := s.Close(context.Background()); err != nil {
					return err
				}
			}
		case "stop":
			g.Stop(context.Background())
		case "exit":
			code, err := strconv.Atoi(arg)
			if err != nil {
				return err
			}
			os.Exit(code)
		case "panic":
			panic(arg)
		default:
			return fmt.Errorf("unknown: %q", verb)
		}
		fmt.Fprintln(out, answer)
	}
	return nil
}

// A process is a run of the program.
type process struct {
	*exec.Cmd

	in  io.Writer
	out *bufio.Scanner
}

// start starts the program on a store, and returns when it has its guard.
func start(t *testing.T, s *store) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(os.Args[0])}
	p.Env = append(os.Environ(), storeVariable+"="+s.socket)
	p.Stderr = os.Stderr
	in, err := p.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.in, p.out = in, bufio.NewScanner(out)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.kill() })
	return p
}

// do makes the program do something, and returns its answer.
func (p *process) do(t *testing.T, line string) string {
	t.Helper()
	if _, err := fmt.Fprintln(p.in, line); err != nil {
		t.Fatal(err)
	}
	if !p.out.Scan() {
		t.Fatalf("%s: the program has ended", line)
	}
	return p.out.Text()
}

// kill ends the program by SIGKILL, and waits for that.
func (p *process) kill() {
	_ = p.Process.Kill()
	_ = p.Wait()
}

// guards are the ids of the guard processes that have this process as their parent.
func (p *process) guards(t *testing.T) []int {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", p.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, file := range tasks {
		text, _ := os.ReadFile(file) // a thread that has gone has none
		for word := range strings.FieldsSeq(string(text)) {
			pid, err := strconv.Atoi(word)
			if err != nil {
				t.Fatal(err)
			}
			line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			if strings.HasPrefix(string(line), "singleton-guard: ") {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}
