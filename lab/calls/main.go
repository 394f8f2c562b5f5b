// Command calls has two measurements of singleton services and their clients.
//
//	go run -C lab ./calls load    a steady load on three processes, of which the leader is stopped, killed and cut off
//	go run -C lab ./calls bench   what following costs: calls beside the same calls to an address
//
// It ends with 1 where something promised did not hold.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/singleton-go/singleton/guard"
	"github.com/singleton-go/singleton/lab/internal/command"
)

func main() {
	guard.Main(open) // the processes of the load are guarded
	if spec, ok := nodeSpec(os.Args); ok {
		os.Exit(spec.main())
	}
	command.Main("calls", run)
}

func run(ctx context.Context, args []string, out, diag io.Writer) error {
	if len(args) == 0 {
		return errors.New("which: load or bench?")
	}
	switch args[0] {
	case "load":
		return runLoad(ctx, args[1:], out, diag)
	case "bench":
		return runBench(ctx, args[1:], out, diag)
	}
	return fmt.Errorf("%q: must be load or bench", args[0])
}

func runLoad(ctx context.Context, args []string, out, diag io.Writer) error {
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	flags.SetOutput(diag)
	o := loadOptions{}
	flags.IntVar(&o.rate, "rate", 1000, "calls a second, half of them over HTTP and half over gRPC")
	flags.DurationVar(&o.length, "for", defaultLength, "how long")
	flags.DurationVar(&o.ttl, "ttl", defaultTTL, "TTL of the sessions; etcd grants no less than 2 s")
	asJSON := flags.Bool("json", false, "print JSON")
	if err := command.Parse(flags, args); err != nil {
		return err
	}
	if o.rate < 2 || o.ttl < defaultTTL || o.length < 8*o.ttl {
		return fmt.Errorf("-rate %d, -ttl %v, -for %v: must be at least 2, %v, and 8 times the TTL", o.rate, o.ttl, o.length, defaultTTL)
	}
	r, err := load(ctx, o, diag)
	if err != nil {
		return err
	}
	if *asJSON {
		err = printJSON(out, r)
	} else {
		err = r.print(out)
	}
	return errors.Join(err, r.verdict())
}

func runBench(ctx context.Context, args []string, out, diag io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(diag)
	n := flags.Int("n", 20_000, "calls measured of each kind")
	asJSON := flags.Bool("json", false, "print JSON")
	if err := command.Parse(flags, args); err != nil {
		return err
	}
	if *n < 1 {
		return fmt.Errorf("-n %d: must be positive", *n)
	}
	results, err := bench(ctx, *n)
	if err != nil {
		return err
	}
	if *asJSON {
		return printJSON(out, results)
	}
	return printBench(out, results)
}
