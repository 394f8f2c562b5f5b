// Command handover measures how long a planned hand-over takes: from the call with which a leader resigns to the moment at
// which its successor knows that it leads. It prints that for elections of this project and for those of etcd's own concurrency
// package, beside two floors: one put by one client, seen by the watch of another; and the same where as many clients watch as
// there are candidates, as one of them sees it.
//
// All run in one process against one embedded member, each candidate with a client of its own, and their rounds alternate, so
// what else the machine does hits all alike. The ratios are what counts; times on a shared machine mean little.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/singleton-go/singleton/lab/internal/command"
)

func main() { command.Main("handover", run) }

func run(ctx context.Context, args []string, out, diag io.Writer) error {
	flags := flag.NewFlagSet("handover", flag.ContinueOnError)
	flags.SetOutput(diag)
	rounds := flags.Int("n", 200, "hand-overs measured for each figure")
	sizes := flags.String("candidates", "2,10,100", "how many candidates, separated by commas")
	asJSON := flags.Bool("json", false, "print JSON")
	if err := command.Parse(flags, args); err != nil {
		return err
	}
	list, err := numbers(*sizes)
	if err != nil {
		return err
	}
	if *rounds < 1 {
		return fmt.Errorf("-n %d: must be positive", *rounds)
	}
	results, err := measure(ctx, list, *rounds)
	if err != nil {
		return err
	}
	if *asJSON {
		return printJSON(out, results)
	}
	return printTable(out, results)
}

func numbers(s string) (list []int, err error) {
	for part := range strings.SplitSeq(s, ",") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 2 {
			return nil, fmt.Errorf("-candidates %q: %q must be a number of 2 or more", s, part)
		}
		list = append(list, n)
	}
	return list, nil
}
