package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// execute runs one command line. What goes wrong is written to stderr in one line, and returned for the exit code.
func execute(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	root := newRoot() //nolint:contextcheck // cobra hands the context to every command
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err != nil && err.Error() != "" {
		_, _ = fmt.Fprintf(stderr, "singleton: %s\n", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return err
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "singleton",
		Short: "Run work in exactly one process of a cluster",
		Long: `Run work in exactly one process of a cluster, keep the others ready, and hand over when it stops, crashes or is cut off.

Begin with "singleton demo": it needs no server and no setting.

Exit codes: 0 done; 1 failed, or what was to be shown did not hold; 2 the command line is wrong, and nothing was started;
128+n ended by signal n. The first signal ends a command in order, the second one at once.`,
		Args:              usage(cobra.NoArgs),
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return wrongUsage(cmd, err) })
	root.AddCommand(newDemo(), newRun(), newStatus(), newWatch(), newResign(), newTransfer(), newEnv())
	return root
}
