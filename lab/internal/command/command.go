// Package command is how all measurements of this module are started and end.
package command

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Main runs a program whose name stands before its errors, and ends the process: with 0 if run returned nil or the flags asked for
// help, and else with 1. The context ends with SIGINT and SIGTERM. Results go to out, and what people want to know meanwhile to diag.
func Main(name string, run func(ctx context.Context, args []string, out, diag io.Writer) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		_, _ = fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

// Parse reads the flags of a program that takes nothing beside them. An argument that is no flag is an error, since whoever wrote it
// expects something of it.
func Parse(flags *flag.FlagSet, args []string) error {
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("flags: %w", err)
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return nil
}
