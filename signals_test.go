package singleton_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/singleton-go/singleton"
)

// With this variable set, the test is the program that gets the signals.
const signalled = "SINGLETON_TEST_SIGNALLED"

func TestFirstSignalEndsTheContextAndTheSecondTheProcess(t *testing.T) {
	t.Parallel()
	if os.Getenv(signalled) != "" {
		ctx, stop := singleton.Signals(context.Background())
		defer stop()
		fmt.Println("\nlistens")
		<-ctx.Done()
		fmt.Println("\nended by", context.Cause(ctx))
		select {}
	}
	program := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	program.Env = append(os.Environ(), signalled+"=yes")
	out, err := program.StdoutPipe()
	if err == nil {
		err = program.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	await := func(want string) {
		for lines.Scan() {
			if strings.Contains(lines.Text(), want) {
				return
			}
		}
		t.Fatalf("the program never said %q", want)
	}
	for _, step := range []struct {
		await string
		then  os.Signal
	}{{"listens", syscall.SIGTERM}, {"ended by signal: terminated", syscall.SIGINT}} {
		await(step.await)
		if err := program.Process.Signal(step.then); err != nil {
			t.Fatal(err)
		}
	}
	var exit *exec.ExitError
	if err := program.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 128+int(syscall.SIGINT) {
		t.Errorf("the program ended with %v, want exit code 130", err)
	}
}

func TestSignalsDoAfterStopWhatTheyDidBefore(t *testing.T) {
	t.Parallel()
	if os.Getenv(signalled) != "" {
		_, stop := singleton.Signals(context.Background())
		stop()
		self, err := os.FindProcess(os.Getpid())
		if err == nil {
			err = self.Signal(syscall.SIGTERM)
		}
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(20 * time.Second) // at most, for the signal to arrive
		t.Fatal("the signal did not end the program")
	}
	program := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	program.Env = append(os.Environ(), signalled+"=yes")
	var exit *exec.ExitError
	if err := program.Run(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("the program ended with %v, want SIGTERM to end it", err)
	}
}

func TestSignalsEndWithTheContextAndWithStop(t *testing.T) {
	t.Parallel()
	parent, cancel := context.WithCancelCause(t.Context())
	ctx, stop := singleton.Signals(parent)
	cancel(errTold)
	if <-ctx.Done(); !errors.Is(context.Cause(ctx), errTold) {
		t.Errorf("the cause is %v", context.Cause(ctx))
	}
	stop()
	ctx, stop = singleton.Signals(t.Context())
	stop()
	stop()
	if ctx.Err() == nil {
		t.Error("the context goes on after stop")
	}
}
