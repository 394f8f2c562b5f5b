package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/singleton-go/singleton/discovery"
)

func newWatch() *cobra.Command {
	var store *storeChoice
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "watch [NAME]",
		Short: "Follow who leads, live",
		Long: `Follow who leads and who waits, until it is told to end. In a terminal it keeps a table up to date; otherwise it writes a line
for each leader that comes or goes, or with --json an object for each change of an election. A store that is away is waited for.

Exit codes: 1 the store can't be used; 2 the command line is wrong; 128+n ended by signal n.`,
		Example: `  singleton watch
  singleton watch nightly --json | while read -r change; do ...; done`,
		Args: usage(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return store.observe(cmd, func(ctx context.Context, d *discovery.Discovery) error {
				out := cmd.OutOrStdout()
				switch {
				case asJSON:
					return followChanges(ctx, d, args, out, writeChange)
				case isTerminal(out):
					return followTable(ctx, d, args, out)
				}
				return followChanges(ctx, d, args, out, writeLeader)
			})
		},
	}
	store = storeFlags(cmd)
	cmd.ValidArgsFunction = store.completeElections
	cmd.Flags().BoolVar(&asJSON, "json", false, "write one line of JSON for each change of an election")
	return cmd
}

// isTerminal says whether a person is looking. Other devices that it may take for a terminal don't mind.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}

const (
	clearScreen = "\x1b[H\x1b[J"
	redraw      = time.Second // for the column that counts
)

// followTable draws the table at every change, and once in a while for its own sake.
func followTable(ctx context.Context, d *discovery.Discovery, args []string, out io.Writer) (err error) {
	ctx, stop := context.WithCancelCause(ctx)
	changes := make(chan discovery.Cluster)
	var follower sync.WaitGroup
	follower.Go(func() {
		for c, err := range d.Observe(ctx) {
			if err != nil {
				stop(err)
				return
			}
			select {
			case changes <- c:
			case <-ctx.Done():
			}
		}
	})
	defer func() { stop(err); follower.Wait() }()
	tick := time.NewTicker(redraw)
	defer tick.Stop()
	var last discovery.Cluster
	for {
		select {
		case last = <-changes:
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if last.AsOf.IsZero() {
			continue
		}
		if err := draw(out, last, args); err != nil {
			return err
		}
	}
}

func draw(out io.Writer, c discovery.Cluster, args []string) error {
	var text strings.Builder
	text.WriteString(clearScreen)
	if err := writeTable(&text, seen(c, args)); err != nil {
		return err
	}
	if behind := time.Since(c.AsOf); behind > 10*time.Second {
		fmt.Fprintf(&text, "\nthe store has not answered for %s\n", short(behind))
	}
	_, err := io.WriteString(out, text.String())
	return err
}

// seen is what a watcher has asked for. An election that nobody enters may come later.
func seen(c discovery.Cluster, args []string) []shown {
	if list, err := chosen(c, args); err == nil {
		return list
	}
	return nil
}

// followChanges writes what differs from one view to the next.
func followChanges(ctx context.Context, d *discovery.Discovery, args []string, out io.Writer,
	write func(w io.Writer, before, now shown) error,
) error {
	last := map[string]shown{}
	for c, err := range d.Observe(ctx) {
		if err != nil {
			return err
		}
		now := map[string]shown{}
		for _, s := range seen(c, args) {
			now[s.Election] = s
			if err := write(out, last[s.Election], s); err != nil {
				return err
			}
		}
		for name, before := range last {
			if _, still := now[name]; !still {
				if err := write(out, before, shown{Election: name, Waiting: []candidate{}}); err != nil {
					return err
				}
			}
		}
		last = now
	}
	return context.Cause(ctx)
}

// writeLeader writes a line if another one leads, or nobody.
func writeLeader(w io.Writer, before, now shown) error {
	if before.Token == now.Token {
		return nil
	}
	at := time.Now().Format(time.RFC3339)
	if now.Token == 0 {
		_, err := fmt.Fprintf(w, "%s %s: nobody leads\n", at, now.Election)
		return err
	}
	_, err := fmt.Fprintf(w, "%s %s: %s leads, token %d\n", at, now.Election, now.Leader.Node, now.Token)
	return err
}

// writeChange writes an object if anything differs.
func writeChange(w io.Writer, before, now shown) error {
	if before.same(now) {
		return nil
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(now)
}

func (s shown) same(o shown) bool {
	since := s.Since == o.Since || s.Since != nil && o.Since != nil && s.Since.Equal(*o.Since)
	return since && s.Token == o.Token && s.Leader == o.Leader && slices.Equal(s.Waiting, o.Waiting)
}
