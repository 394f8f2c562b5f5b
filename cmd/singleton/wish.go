package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/singleton-go/singleton/discovery"
)

// wishLimit is how long a command waits for the answer to a wish: longer than a leader's default grace time.
const wishLimit = time.Minute

const wishCodes = `
Exit codes: 0 done; 1 refused, not answered in time, or nobody leads; 2 the command line is wrong. A wish ends with the command
that made it: a leader that has not begun to stop by then goes on.`

func newResign() *cobra.Command {
	var store *storeChoice
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "resign NAME",
		Short: "Ask the leader to stop in order, and let the next one lead",
		Long: `Ask the leader of NAME to stop what it runs, within its grace time, and to queue again behind those who wait. It is never
pre-empted: the next one leads when the old one has stopped. A leader that nobody waits behind leads again.
` + wishCodes,
		Example: `  singleton resign nightly`,
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return store.ask(cmd, timeout, args[0], func(ctx context.Context, d *discovery.Discovery, election string) error {
				return d.Resign(ctx, election)
			})
		},
	}
	store = storeFlags(cmd)
	cmd.ValidArgsFunction = store.completeElections
	cmd.Flags().DurationVar(&timeout, "timeout", wishLimit, "how long to wait for the outcome")
	return cmd
}

func newTransfer() *cobra.Command {
	var store *storeChoice
	var timeout time.Duration
	var to string
	cmd := &cobra.Command{
		Use:   "transfer NAME --to NODE",
		Short: "Ask the leader to hand over to a node that waits",
		Long: `Ask the leader of NAME to stop what it runs, within its grace time, and to let NODE lead next. NODE must be waiting; candidates
ahead of it queue again behind it.

NODE is a node's name, if only one node has it, its name and process ID as 'singleton status' shows them, or its ID.
` + wishCodes,
		Example: `  singleton transfer nightly --to build-2
  singleton transfer nightly --to build-2/991`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if to == "" {
				return wrongUsage(cmd, errors.New("--to: say which node shall lead"))
			}
			return store.ask(cmd, timeout, args[0], func(ctx context.Context, d *discovery.Discovery, election string) error {
				return d.Transfer(ctx, election, to)
			})
		},
	}
	store = storeFlags(cmd)
	cmd.ValidArgsFunction = store.completeElections
	cmd.Flags().StringVar(&to, "to", "", "`NODE` that shall lead")
	_ = cmd.RegisterFlagCompletionFunc("to", store.completeWaiting)
	cmd.Flags().DurationVar(&timeout, "timeout", wishLimit, "how long to wait for the outcome")
	return cmd
}

// ask makes a wish, and says what has come of it.
func (c *storeChoice) ask(cmd *cobra.Command, timeout time.Duration, name string,
	wish func(ctx context.Context, d *discovery.Discovery, election string) error,
) error {
	return c.observe(cmd, func(ctx context.Context, d *discovery.Discovery) error {
		var e discovery.Election
		err := within(ctx, min(timeout, lookLimit), func(ctx context.Context) error {
			now, err := d.Cluster(ctx)
			if err != nil {
				return err
			}
			e, err = elected(now, name)
			return err
		})
		if err != nil {
			return err
		}
		err = within(ctx, timeout, func(ctx context.Context) error {
			return wish(ctx, d, e.Name)
		})
		if err == nil {
			return tell(ctx, cmd, d, e)
		}
		if errors.Is(err, discovery.ErrUnknownNode) || errors.Is(err, discovery.ErrNotWaiting) {
			now, _ := d.Cluster(ctx)
			err = fmt.Errorf("%w; those who wait: %s", err, strings.Join(nodesOf(now, e), ", "))
		}
		if silent, ok := errors.AsType[*silenceError](err); ok {
			return fmt.Errorf("%s: the leader has not stopped within %v; it may still be stopping", e.Name, silent.after)
		}
		return err
	})
}

// settling is how long it may take after a term's end until somebody leads, if anybody stands in the queue.
const settling = 2 * time.Second

// tell says who leads now, if anybody. The old leader is the one who leads again where nobody waited.
func tell(ctx context.Context, cmd *cobra.Command, d *discovery.Discovery, old discovery.Election) error {
	settled, cancel := context.WithTimeout(ctx, settling)
	defer cancel()
	for c, err := range d.Observe(settled) {
		if err != nil {
			return err
		}
		if e, ok := c.Election(old.Name); ok && e.Leader.Token > old.Leader.Token {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: %s leads, token %d\n", e.Name, person(c, e.Leader), e.Leader.Token)
			return err
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: nobody leads\n", old.Name)
	return err
}
