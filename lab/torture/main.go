// Command torture breaks whatever can be broken under an election, and checks what it led to. Each of its commands is a package
// of its own:
//
//	go run -C lab ./torture COMMAND [flags]
//
// It ends with 0 if everything promised held, with 1 if anything did not, or the command could not do its work, and with 2 if the
// command line is wrong.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/singleton-go/singleton/lab/torture/faults"
	"github.com/singleton-go/singleton/lab/torture/real"
	"github.com/singleton-go/singleton/lab/torture/sim"
)

// A command writes its results to out, and what it is doing to diag. It returns an error if a promise was broken.
type command struct {
	name string
	does string
	run  func(ctx context.Context, args []string, out, diag io.Writer) error
}

// commands are in the order in which they are listed.
var commands = []command{
	{"real", "real processes on a real etcd, beside other libraries", real.Run},
	{"sim", "very many schedules of faults in virtual time", sim.Run},
	{"faults", "whether the simulation catches deliberate faults in our own code", faults.Run},
}

// errUsage says that the command line is wrong; it was said already.
var errUsage = errors.New("usage")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, commands, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status(err, os.Stderr))
}

// run finds the command and runs it.
func run(ctx context.Context, all []command, args []string, out, diag io.Writer) error {
	if len(args) > 0 {
		for _, c := range all {
			if c.name == args[0] {
				return c.run(ctx, args[1:], out, diag)
			}
		}
		if args[0] != "help" && args[0] != "-h" && args[0] != "-help" && args[0] != "--help" {
			_, _ = fmt.Fprintf(diag, "torture: unknown command %q\n", args[0])
		}
	}
	_, _ = fmt.Fprintln(diag, "usage: go run -C lab ./torture COMMAND [flags]")
	for _, c := range all {
		_, _ = fmt.Fprintf(diag, "  %-8s %s\n", c.name, c.does)
	}
	return errUsage
}

// status says how the process ends.
func status(err error, diag io.Writer) int {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage):
		return 2
	default:
		_, _ = fmt.Fprintln(diag, "torture:", err)
		return 1
	}
}
