package tether_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/singleton-go/singleton/guard/tether"
)

// The test's own binary is the helper: it answers what it is sent, with its arguments.
func TestMain(m *testing.M) {
	end, err := tether.Inherited("echo")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if end == nil {
		os.Exit(m.Run())
	}
	for {
		var text string
		if err := end.Receive(&text); err != nil {
			fmt.Fprint(os.Stderr, err)
			os.Exit(3)
		}
		if err := end.Send(append(os.Args, text)); err != nil {
			os.Exit(1)
		}
	}
}

func TestHelperAnswersAndEndsWithItsOwner(t *testing.T) {
	t.Parallel()
	cmd, err := tether.Command("echo")
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	h, err := tether.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := errors.Join(h.Send("hello"), h.Receive(&got)); err != nil {
		t.Fatal(err)
	}
	if want := append(slices.Clone(os.Args), "hello"); !slices.Equal(got, want) {
		t.Errorf("answer %q, want %q", got, want)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	var ended *exec.ExitError
	if err := h.Wait(); !errors.As(err, &ended) || ended.ExitCode() != 3 || stderr.String() != "EOF" {
		t.Errorf("the helper ended with %v and %q", err, &stderr)
	}
}

// Who calls a program like a helper, but without a tether, gets the program.
func TestNameAloneMakesNoHelper(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(os.Args[0])
	cmd.Args = []string{"singleton-echo: by hand", "-test.list=."}
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), t.Name()) {
		t.Errorf("got %v and %s", err, out)
	}
}

func TestCutLeavesWhatWasSent(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	const many = 500
	for i := range many {
		if err := a.Send(i); err != nil {
			t.Fatal(err)
		}
	}
	b.Cut()
	for i := range many {
		var got int
		if err := b.Receive(&got); err != nil || got != i {
			t.Fatalf("received %d, %v, want %d", got, err, i)
		}
	}
	if err := b.Receive(new(int)); !errors.Is(err, io.EOF) {
		t.Errorf("then %v, want the end", err)
	}
}

func TestCutWakesWhoWaits(t *testing.T) {
	t.Parallel()
	_, b := pair(t)
	go b.Cut() // before Receive waits or after, it must return
	if err := b.Receive(new(int)); !errors.Is(err, io.EOF) {
		t.Errorf("received %v, want the end", err)
	}
}

func TestCloseIsTheEndForTheOther(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	if err := errors.Join(a.Send(1), a.Close(), a.Close()); err != nil {
		t.Fatal(err)
	}
	if err := b.Receive(new(int)); err != nil {
		t.Errorf("what was sent: %v", err)
	}
	if err := b.Receive(new(int)); !errors.Is(err, io.EOF) {
		t.Errorf("then %v, want the end", err)
	}
	if err := b.Send(1); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("sent to nobody: %v", err)
	}
}

func TestHalfAMessageIsNone(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	end := tether.NewEnd(r, nil)
	defer end.Close()
	if _, err := w.WriteString(`{"Opened":"4`); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := end.Receive(&struct{ Opened string }{}); !errors.Is(err, io.EOF) {
		t.Errorf("received %v, want the end", err)
	}
}

func TestSendWaitsForNobodyForLong(t *testing.T) {
	t.Parallel()
	a, _ := pair(t)
	err := error(nil)
	for err == nil {
		err = a.Send("to one who does not read")
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("sent: %v", err)
	}
	if err := a.Send("more"); !errors.Is(err, os.ErrClosed) {
		t.Errorf("sent after half a message: %v", err)
	}
}

// pair returns the two ends of a tether.
func pair(t *testing.T) (a, b *tether.End) {
	t.Helper()
	ar, bw, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	br, aw, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	a, b = tether.NewEnd(ar, aw), tether.NewEnd(br, bw)
	t.Cleanup(func() {
		if err := errors.Join(a.Close(), b.Close()); err != nil {
			t.Error(err)
		}
	})
	return a, b
}
