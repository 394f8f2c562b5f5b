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
