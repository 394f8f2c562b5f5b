// Command scale measures what many elections cost with some nodes, and how that grows with the number of elections and of nodes:
// messages and processor time when idle, heap and goroutines, the time to start, and the time until all are taken over after the
// leader's lease was revoked, the leader was killed, it was stopped in order, and etcd was away. Beside it, the elections of
// etcd's client on one session, those of client-go on records in etcd, and bare creations and deletes of as many keys.
//
// Every node and etcd are processes of their own, which this command starts from itself, so each one's heap and processor time
// are its own. The kinds take turns on fresh members.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/singleton-go/singleton/guard"
	"github.com/singleton-go/singleton/lab/internal/command"
)

func main() {
	guard.Main(openEngine)
	if r, is, err := roleOf(); is || err != nil {
		if err == nil {
			err = serve(context.Background(), r)
		}
		if err != nil {
			_, _ = fmt.Fprintf(os.Stderr, "%s %d: %v\n", r.Kind, r.Index, err)
			os.Exit(1)
		}
		return
	}
	command.Main("scale", run)
}

// Options are the flags.
type options struct {
	units   []int
	nodes   int
	sweep   []int // numbers of nodes, at sweepUnits
	at      []int
	kinds   []string
	most    int // units of client-go
	ttl     time.Duration
	window  time.Duration
	outage  bool
	json    bool
	svg     string
	from    string
	profile string
}

// allKinds are in the order in which they take turns.
var allKinds = []string{"bare", "singleton", "concurrency", "leaderelection"}

func run(ctx context.Context, args []string, out, diag io.Writer) error {
	o, err := parse(args, diag)
	if err != nil {
		return err
	}
	for _, d := range []struct{ flag, dir string }{{"svg", o.svg}, {"profile", o.profile}} {
		if d.dir == "" {
			continue
		}
		if err := os.MkdirAll(d.dir, 0o755); err != nil { // now rather than when all has been measured
			return fmt.Errorf("-%s: %w", d.flag, err)
		}
	}
	r, err := measureOrRead(ctx, o, diag)
	if err != nil {
		return err
	}
	if o.svg != "" {
		if err := draw(o.svg, r); err != nil {
			return err
		}
	}
	if o.json {
		return printJSON(out, r)
	}
	return printTables(out, r)
}

func parse(args []string, diag io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("scale", flag.ContinueOnError)
	flags.SetOutput(diag)
	units := flags.String("n", "1,100,1000,10000", "numbers of elections, separated by commas")
	flags.IntVar(&o.nodes, "nodes", 3, "how many nodes")
	sweep := flags.String("sweep", "3,10,30", "numbers of nodes for the growth with them; empty for none")
	at := flags.String("sweep-n", "100,1000", "numbers of elections for that growth")
	kinds := flags.String("kinds", strings.Join(allKinds, ","), "what is measured")
	flags.IntVar(&o.most, "leaderelection-most", 1000, "the most elections of client-go: each costs writes for ever")
	flags.DurationVar(&o.ttl, "ttl", 5*time.Second, "TTL of all leases, in whole seconds")
	flags.DurationVar(&o.window, "window", 10*time.Second, "for how long idle nodes are watched")
	flags.BoolVar(&o.outage, "outage", true, "take etcd away too, for one and a half TTLs with each kind")
	flags.BoolVar(&o.json, "json", false, "print JSON")
	flags.StringVar(&o.svg, "svg", "", "write plots to this directory")
	flags.StringVar(&o.profile, "profile", "", "write profiles of the heaps that are weighed to this directory")
	flags.StringVar(&o.from, "from", "", "measure nothing, and print what -json has written to this file")
	if err := command.Parse(flags, args); err != nil {
		return o, err
	}
	o.kinds = strings.Split(*kinds, ",")
	for _, list := range []struct {
		flag, text string
		least      int
		to         *[]int
	}{{"n", *units, 1, &o.units}, {"sweep", *sweep, 2, &o.sweep}, {"sweep-n", *at, 1, &o.at}} {
		if *list.to, err = numbers(list.flag, list.text, list.least); err != nil {
			return o, err
		}
	}
	return o, o.check()
}

func (o options) check() error {
	for _, k := range o.kinds {
		if !slices.Contains(allKinds, k) {
			return fmt.Errorf("-kinds %q: must be among %s", k, strings.Join(allKinds, ", "))
		}
	}
	switch {
	case len(o.units) == 0:
		return fmt.Errorf("-n: names no number")
	case o.nodes < 2:
		return fmt.Errorf("-nodes %d: must be 2 or more, since one is to take over", o.nodes)
	case o.ttl < 2*time.Second || o.ttl%time.Second != 0:
		return fmt.Errorf("-ttl %v: must be whole seconds, and 2 or more", o.ttl)
	case o.window < o.ttl/4:
		return fmt.Errorf("-window %v: must be a renewal interval, %v, or more", o.window, o.ttl/4)
	}
	return nil
}

// numbers reads a list; an empty text is an empty one.
func numbers(flag, text string, least int) (list []int, err error) {
	if text == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(part)
		if err != nil || n < least {
			return nil, fmt.Errorf("-%s %q: %q must be a number of %d or more", flag, text, part, least)
		}
		list = append(list, n)
	}
	return list, nil
}
