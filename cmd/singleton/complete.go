package main

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/singleton-go/singleton/discovery"
)

// completionLimit is how long a shell's user waits for names.
const completionLimit = time.Second

// look sees the cluster for a completion. A store that doesn't answer soon has nothing to offer.
func (c *storeChoice) look(cmd *cobra.Command) (cluster discovery.Cluster) {
	if cmd.Context() == nil {
		cmd.SetContext(context.Background())
	}
	_ = c.observe(cmd, func(ctx context.Context, d *discovery.Discovery) error {
		return within(ctx, completionLimit, func(ctx context.Context) (err error) {
			cluster, err = d.Cluster(ctx)
			return err
		})
	})
	return cluster
}

// completeElections offers the names of elections.
func (c *storeChoice) completeElections(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var names []cobra.Completion
	if len(args) == 0 {
		cluster := c.look(cmd)
		for _, e := range cluster.Elections {
			names = append(names, cobra.CompletionWithDesc(e.Name, "led by "+person(cluster, e.Leader)))
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeWaiting offers the nodes that wait in the election that the command line names.
func (c *storeChoice) completeWaiting(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var names []cobra.Completion
	cluster := c.look(cmd)
	for _, e := range cluster.Elections {
		if len(args) > 0 {
			if meant, err := elected(cluster, args[0]); err != nil || meant.Name != e.Name {
				continue
			}
		}
		names = append(names, nodesOf(cluster, e)...)
	}
	slices.Sort(names)
	return slices.Compact(names), cobra.ShellCompDirectiveNoFileComp
}
