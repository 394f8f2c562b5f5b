package main

import (
	"time"

	"github.com/spf13/cobra"
)

// runOptions are what the command line of run says.
type runOptions struct {
	name    string
	node    string
	store   *storeChoice
	ttl     time.Duration
	grace   time.Duration
	drain   time.Duration
	restart bool
	once    bool
	quiet   bool
}

const (
	exitHeld          = 75 // sysexits' "try again later"
	exitRunFailed     = 125
	exitNotExecutable = 126
	exitNotFound      = 127
)

func newRun() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run --name NAME [flags] -- COMMAND [ARG...]",
		Short: "Run a command in one place at a time",
		Long: `Run COMMAND while no other process runs one under the same NAME, anywhere on the same store; until then wait in a queue. When
the command ends, the next in the queue starts its own.

The command gets SINGLETON_NAME, SINGLETON_TOKEN (the fencing token of its term, which rises with every term) and
SINGLETON_NODE, and standard input, output and error as they are. It has no controlling terminal: it can read and write what it was
given, but not /dev/tty. HUP, QUIT, USR1, USR2 and WINCH are passed on to it; while it waits, HUP and QUIT end 'singleton run'.

With SIGTERM or SIGINT (Ctrl-C) all processes of the command get TERM, and KILL after --grace; then the next one leads. A second
signal kills at once. When leadership is lost they get TERM, KILL within --drain, and 'singleton run' waits again. Nobody else
starts before all of them are gone: also if 'singleton run' is killed with SIGKILL, or stopped (Ctrl-Z) for longer than the
lease lasts. What can escape, and what limits this on each store, is in docs/cli.md.

Exit codes: that of the command, if it has ended by itself or was told to; 128+n if signal n ended it, or 'singleton run' while
it waited; 75 with --once: another process leads, or took over before the command was through; 125 'singleton run' failed, or its
command line is wrong; 126 COMMAND can't be executed; 127 COMMAND was not found.`,
		Example: `  singleton run --name nightly -- ./nightly.sh            # a second one in another terminal waits its turn
  singleton run --name sync --restart -- ./sync --watch   # for as long as this process lives
  0 3 * * * singleton run --name report --once -- ./report.sh        # in the crontab of several machines, with
                                                                      # SINGLETON_ENGINE=etcd://...`,
		Args: func(cmd *cobra.Command, args []string) error {
			return runFailure(exitRunFailed, usage(cobra.MinimumNArgs(1))(cmd, args))
		},
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) { return nil, 0 },
	}
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return runFailure(exitRunFailed, wrongUsage(cmd, err))
	})
	o.store = storeFlags(cmd)
	f := cmd.Flags()
	f.SetInterspersed(false) // the flags after COMMAND are its own
	f.StringVar(&o.name, "name", "", "`NAME` of what may run once: letters, digits, '.', '_', '-'; required")
	f.StringVar(&o.node, "node", "", "`NAME` of this node for people (default the host's name)")
	f.DurationVar(&o.ttl, "ttl", 10*time.Second, "how long a store other than a directory waits for a machine that is gone")
	f.DurationVar(&o.grace, "grace", 30*time.Second, "how long the command may take to stop when it is told to")
	f.DurationVar(&o.drain, "drain", 0, "within which it is gone when leadership is lost (default a quarter of --ttl)")
	f.BoolVar(&o.restart, "restart", false, "start the command again whenever it ends, here or elsewhere, after a rest")
	f.BoolVar(&o.once, "once", false, "don't wait: exit with code 75 if another process leads")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "say nothing but errors")
	return cmd
}

// runFailure ends the program with a code that is not the command's.
func runFailure(code int, err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code: code, err: err}
}
