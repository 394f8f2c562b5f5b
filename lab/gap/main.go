// Command gap measures for how long nothing runs when a command that may run once changes its place: from the last word of the
// old one to the first word of the new one, which two processes of `singleton run` run in turn. It does the same with flock(1)
// and with `etcdctl lock`, in rounds that take turns, so what else the machine does hits all alike.
//
// It builds all of them from this repository and from etcd's module, but for flock, which is that of util-linux, and uses one embedded
// etcd member. Each candidate is a process.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/singleton-go/singleton/engine/etcdengine/etcdtest"
	"github.com/singleton-go/singleton/lab/internal/command"
)

func main() { command.Main("gap", run) }

func run(ctx context.Context, args []string, out, diag io.Writer) error {
	flags := flag.NewFlagSet("gap", flag.ContinueOnError)
	flags.SetOutput(diag)
	rounds := flags.Int("n", 200, "changes measured for each figure")
	slow := flags.Int("slow", 5, "changes measured where one takes as long as a lease")
	only := flags.String("only", "", "measure the contenders whose name has this `text`")
	asJSON := flags.Bool("json", false, "print JSON")
	if err := command.Parse(flags, args); err != nil {
		return err
	}
	if *rounds < 1 || *slow < 1 {
		return fmt.Errorf("-n %d, -slow %d: must be positive", *rounds, *slow)
	}
	results, err := prepare(ctx, diag, func(list []*contender, dir string) ([]result, error) {
		list = slices.DeleteFunc(list, func(c *contender) bool { return !strings.Contains(c.name, *only) })
		if len(list) == 0 {
			return nil, fmt.Errorf("-only %s: there is no such contender", *only)
		}
		return measure(ctx, dir, list, *rounds, *slow)
	})
	if err != nil {
		return err
	}
	if *asJSON {
		return printJSON(out, results)
	}
	return printTable(out, results)
}

// prepare builds what is compared, starts etcd, and clears up when use has returned.
func prepare(ctx context.Context, diag io.Writer, use func(list []*contender, dir string) ([]result, error)) ([]result, error) {
	dir, err := os.MkdirTemp("", "gap-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // it is in the system's own directory for such
	_, _ = fmt.Fprintln(diag, "gap: building")
	if err := build(ctx, dir); err != nil {
		return nil, err
	}
	m, err := etcdtest.Start(filepath.Join(dir, "etcd"))
	if err != nil {
		return nil, err
	}
	defer m.Stop()
	list, err := contenders(dir, m)
	if err != nil {
		return nil, err
	}
	return use(list, dir)
}
