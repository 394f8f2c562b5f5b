package main

import (
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/singleton-go/singleton/cmd/singleton/internal/demo"
)

func newDemo() *cobra.Command {
	var o demo.Options
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show three processes, one leader, and what happens when it dies",
		Long: `Start an etcd member and three processes that all run one job and one service. Kill the leader, stop the next one, pause a
third past the end of its session, and show who runs, with which token, and for how long nobody did.

It needs nothing but this program, listens on loopback only, and leaves nothing behind. It fails if effects of two leaders
were accepted, or if a fault did not lead to a hand-over in time.`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.Check(); err != nil {
				return wrongUsage(cmd, err)
			}
			o.Out = cmd.OutOrStdout()
			ctx := cmd.Context()
			return demo.Run(ctx, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Engine, "engine", "etcd", "what the nodes share: etcd, or ram for a short form within one process")
	f.DurationVar(&o.TTL, "ttl", 0, "how long a session outlives its last renewal (default 5s on etcd, 2s on ram)")
	f.BoolVar(&o.JSON, "json", false, "write events as JSON lines, the last one being the summary")
	f.BoolVar(&o.Keep, "keep", false, "run on after the table, until Ctrl-C")
	cmd.AddCommand(newDemoNode(), newDemoJanitor())
	return cmd
}

// newDemoNode is the process of a node.
func newDemoNode() *cobra.Command {
	var o demo.NodeOptions
	cmd := &cobra.Command{
		Use: "node", Short: "A node of the demo", Hidden: true, Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo.Node(cmd.Context(), o, cmd.InOrStdin(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Name, "name", "", "name of the node")
	f.StringVar(&o.Store, "store", "", "endpoint of etcd")
	f.StringVar(&o.Sink, "sink", "", "URL of the sink")
	f.DurationVar(&o.TTL, "ttl", 5*time.Second, "TTL of the session")
	return cmd
}

// newDemoJanitor is the process that clears up behind the demo.
func newDemoJanitor() *cobra.Command {
	return &cobra.Command{
		Use: "janitor", Short: "What clears up behind the demo", Hidden: true, Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo.Janitor(cmd.InOrStdin(), os.Stdout)
		},
	}
}
