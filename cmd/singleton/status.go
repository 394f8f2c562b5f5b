package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/singleton-go/singleton/discovery"
)

// lookLimit is how long a command waits for its first look at the cluster.
const lookLimit = 5 * time.Second

func newStatus() *cobra.Command {
	var store *storeChoice
	var asJSON bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "status [NAME]",
		Short: "Show who leads what, since when, and who waits",
		Long: `Show who leads what, since when, under which fencing token, and who waits, in their order.

NAME is that of 'singleton run --name', or the full name of an election as the table shows it. Exit codes: 0; 1 if NAME has neither
a leader nor candidates, or the store doesn't answer; 2 the command line is wrong.`,
		Example: `  singleton status
  singleton status nightly --json | jq -r '.[0].leader.node'`,
		Args: usage(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return store.observe(cmd, func(ctx context.Context, d *discovery.Discovery) error {
				return within(ctx, timeout, func(ctx context.Context) error {
					c, err := d.Cluster(ctx)
					if err != nil {
						return err
					}
					list, err := chosen(c, args)
					if err != nil {
						return err
					}
					if asJSON {
						return writeJSON(cmd.OutOrStdout(), list)
					}
					return writeTable(cmd.OutOrStdout(), list)
				})
			})
		},
	}
	store = storeFlags(cmd)
	cmd.ValidArgsFunction = store.completeElections
	cmd.Flags().BoolVar(&asJSON, "json", false, "write a list of elections in JSON")
	cmd.Flags().DurationVar(&timeout, "timeout", lookLimit, "how long to wait for the store")
	return cmd
}

// chosen shows all elections, or the one that is named.
func chosen(c discovery.Cluster, args []string) ([]shown, error) {
	list := []shown{}
	if len(args) == 0 {
		for _, e := range c.Elections {
			list = append(list, show(c, e))
		}
		return list, nil
	}
	e, err := elected(c, args[0])
	if err != nil {
		return nil, err
	}
	return append(list, show(c, e)), nil
}

// A shown election is what people and programs get to see of one.
type shown struct {
	Election string      `json:"election"`
	Leader   candidate   `json:"leader"`
	Token    uint64      `json:"token"`
	Since    *time.Time  `json:"since,omitempty"` // on the leader's clock; not there if it hasn't said
	Waiting  []candidate `json:"waiting"`
}

// A candidate is the node behind it, as far as it is known.
type candidate struct {
	Node    string `json:"node"` // name and process ID, or what a foreign candidate wrote
	NodeID  string `json:"nodeId,omitempty"`
	Host    string `json:"host,omitempty"`
	PID     int    `json:"pid,omitempty"`
	Session string `json:"session"`
}

func show(c discovery.Cluster, e discovery.Election) shown {
	s := shown{Election: e.Name, Leader: candidateOf(c, e.Leader), Token: e.Leader.Token, Waiting: []candidate{}}
	if !e.Since.IsZero() {
		s.Since = &e.Since
	}
	for _, w := range e.Waiting {
		s.Waiting = append(s.Waiting, candidateOf(c, w))
	}
	return s
}

func candidateOf(c discovery.Cluster, w discovery.Candidate) candidate {
	v := candidate{Node: person(c, w), NodeID: w.NodeID, Session: w.Session}
	if n, ok := c.Node(w.NodeID); ok {
		v.Host, v.PID = n.Host, n.PID
	}
	return v
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// named is how many of those who wait a table names.
const named = 3

func writeTable(w io.Writer, list []shown) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	_, _ = fmt.Fprintln(t, "ELECTION\tLEADER\tSINCE\tTOKEN\tWAITING") // what goes wrong is told by Flush
	for _, s := range list {
		waiting := make([]string, 0, named)
		for _, c := range s.Waiting[:min(named, len(s.Waiting))] {
			waiting = append(waiting, c.Node)
		}
		line := strings.Join(waiting, ", ")
		if more := len(s.Waiting) - named; more > 0 {
			line += fmt.Sprintf(" and %d more", more)
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\n", s.Election, s.Leader.Node, s.age(), s.Token, line)
	}
	return t.Flush()
}

// age is for how long the leader has led, to the second. Clocks of two machines differ: it is never negative.
func (s shown) age() string {
	if s.Since == nil {
		return "-"
	}
	return short(max(0, time.Since(*s.Since)))
}

// short writes a duration in its two largest units.
func short(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	case d < day:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour)
}
