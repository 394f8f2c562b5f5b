package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The program runs as a process of its own: this test's binary, told to be it.
func TestMain(m *testing.M) {
	if os.Getenv("EXAMPLE") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

type process struct {
	*exec.Cmd
	url string
}

func start(t *testing.T, dir string) *process {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	_ = l.Close()
	cmd := exec.CommandContext(context.Background(), os.Args[0], "-listen", at, "-dir", dir)
	cmd.Env = append(os.Environ(), "EXAMPLE=1")
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	p := &process{cmd, "http://" + at}
	for late := time.Now().Add(30 * time.Second); ; {
		if status, _ := send(t, http.MethodGet, p.url+"/readyz"); status == http.StatusOK {
			return p
		}
		if time.Now().After(late) {
			t.Fatal("not ready within 30 s")
		}
	}
}

// send returns status 0 where there was no answer.
func send(t *testing.T, method, url string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(text)
}

// counter returns which process counts.
func counter(t *testing.T, url string) string {
	t.Helper()
	status, text := send(t, http.MethodPost, url)
	_, after, found := strings.Cut(text, "process ")
	if status != http.StatusOK || !found {
		t.Fatalf("status %d: %s", status, text)
	}
	pid, _, _ := strings.Cut(after, " ")
	return pid
}

func TestTheServiceMovesAndNoRequestFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	a, b, c := start(t, dir), start(t, dir), start(t, dir)
	for _, p := range []*process{a, b, c} {
		if got, want := counter(t, p.url), fmt.Sprint(a.Process.Pid); got != want {
			t.Errorf("process %s counts, want %s", got, want)
		}
	}
	if err := a.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for next := fmt.Sprint(b.Process.Pid); counter(t, c.url) != next; { // none fails meanwhile
	}
	if err := a.Wait(); err != nil {
		t.Errorf("the first process ended with %v, not in order", err)
	}
	if err := b.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = b.Wait()
	if got, want := counter(t, c.url), fmt.Sprint(c.Process.Pid); got != want {
		t.Errorf("process %s counts, want %s", got, want)
	}
}
