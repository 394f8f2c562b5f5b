package tether_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

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
		if err := end.Send(answer(text)); err != nil {
			os.Exit(1)
		}
	}
}

// answer is short also where the arguments are long.
func answer(text string) string {
	return fmt.Sprintf("%s: %d arguments, %x", text, len(os.Args), sha256.Sum256([]byte(strings.Join(os.Args, "\x00"))))
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
	var got string
	if err := errors.Join(h.Send("hello"), h.Receive(&got)); err != nil {
		t.Fatal(err)
	}
	if want := answer("hello"); got != want {
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

// The pipe stays open then: who reads its end takes it for the end of this process.
func TestSendWaitsForNobodyForLong(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	sent := 0
	err := error(nil)
	for ; err == nil; sent++ {
		err = a.Send(sent)
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("sent: %v", err)
	}
	if err := b.Receive(new(int)); err != nil {
		t.Errorf("received: %v", err)
	}
	for range sent - 2 {
		if err := b.Receive(new(int)); err != nil {
			t.Fatal(err)
		}
	}
	ended := make(chan error)
	go func() { ended <- b.Receive(new(int)) }()
	select {
	case err := <-ended:
		t.Errorf("the other one received %v while this one lives", err)
	case <-time.After(10 * time.Millisecond): // this can't fail for noise, only miss a fault
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, io.EOF) {
		t.Errorf("then %v, want the end", err)
	}
}

func TestNothingIsSentAfterHalfAMessage(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	if err := a.Send(strings.Repeat("x", 1<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("sent: %v", err)
	}
	received := make(chan error)
	go func() { received <- b.Receive(new(string)) }() // there is room now
	if err := a.Send("more"); err == nil {
		t.Error("sent after half a message")
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if err := <-received; !errors.Is(err, io.EOF) {
		t.Errorf("received %v, want the end", err)
	}
}

func TestArgumentsMayBeManyMoreThanAPipeHolds(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(os.Args[0], "-test.run=^TestHelperAnswersAndEndsWithItsOwner$")
	for range 100 {
		cmd.Args = append(cmd.Args, strings.Repeat("x", 10_000))
	}
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %.1000s", err, out)
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
