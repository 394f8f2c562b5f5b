package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
)

// call runs a command line within this process.
func call(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	err = execute(t.Context(), args, strings.NewReader(""), &out, &errs)
	return out.String(), errs.String(), err
}

func TestWithoutACommandThereIsHelp(t *testing.T) {
	t.Parallel()
	bare, _, err := call(t)
	if err != nil || !strings.Contains(bare, "singleton demo") {
		t.Errorf("without a command: %v\n%s", err, bare)
	}
	if help, _, err := call(t, "--help"); err != nil || help != bare {
		t.Errorf("--help: %v\n%s", err, help)
	}
}

func TestWrongCommandLinesAreRefusedInOneLine(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"nonsense":    `singleton: unknown command "nonsense" for "singleton"; see 'singleton --help'`,
		"--nonsense":  `singleton: unknown flag: --nonsense; see 'singleton --help'`,
		"demo --nope": `singleton: unknown flag: --nope; see 'singleton demo --help'`,
		"demo more":   `singleton: unknown command "more" for "singleton demo"; see 'singleton demo --help'`,
	} {
		stdout, stderr, err := call(t, strings.Fields(args)...)
		if code := exitCode(err); code != exitUsage || stdout != "" || stderr != want+"\n" {
			t.Errorf("%s: exit code %d\nstdout %q\nstderr %q\nwant   %q", args, code, stdout, stderr, want+"\n")
		}
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	for want, err := range map[int]error{
		0:   nil,
		1:   errors.New("failed"),
		2:   &usageError{err: errors.New("no such flag")},
		130: errors.Join(context.Canceled, &interruption{syscall.SIGINT}),
		143: &interruption{syscall.SIGTERM},
	} {
		if code := exitCode(err); code != want {
			t.Errorf("%v: exit code %d, want %d", err, code, want)
		}
	}
}
