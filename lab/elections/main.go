// Command elections measures how long one process takes to win many elections that nobody else wants, beside what etcd takes to
// create as many keys for the same client: one by one, and by the hundred in one transaction. Etcd's own concurrency
// package does the same with one session.
//
// All run in one process against one embedded member, in turns, so what else the machine does hits all alike. The ratios are
// what counts.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/singleton-go/singleton/lab/internal/command"
)

func main() { command.Main("elections", run) }

func run(ctx context.Context, args []string, out, diag io.Writer) error {
	flags := flag.NewFlagSet("elections", flag.ContinueOnError)
	flags.SetOutput(diag)
	n := flags.Int("n", 10_000, "how many elections")
	rounds := flags.Int("rounds", 5, "how often each is measured; the median counts")
	asJSON := flags.Bool("json", false, "print JSON")
	if err := command.Parse(flags, args); err != nil {
		return err
	}
	if *n < 1 || *rounds < 1 {
		return fmt.Errorf("-n %d, -rounds %d: both must be positive", *n, *rounds)
	}
	results, err := measure(ctx, *n, *rounds)
	if err != nil {
		return err
	}
	if *asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(results)
	}
	return printTable(out, *n, results)
}

func printTable(out io.Writer, n int, results []result) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintf(w, "%d\ts\tto bare\taim\t\n", n)
	for _, r := range results {
		aim := ""
		if r.Aim > 0 {
			aim = fmt.Sprintf("<= %.1f", r.Aim)
		}
		_, _ = fmt.Fprintf(w, "%s\t%.2f\t%.2f\t%s\t\n", r.Contest, r.Seconds, r.Ratio, aim)
	}
	return w.Flush()
}
