// Package real is `torture real`: real processes on a real etcd cluster under real faults, and what came of it.
//
// Members of etcd, and nodes, are processes of their own. Every node takes part in three elections at the same time, each with a client
// and a connection of its own: one by this library, one by each of the peers of package peers. So one fault befalls all three at one
// instant, and their figures can stand side by side. Whoever leads has effects, one after the other, each on two sinks
// within the process that runs the torture: one takes everything, the other stands behind a fence. No fault touches the way
// there.
//
// All times are nanoseconds of the machine's CLOCK_MONOTONIC, which all its processes share.
package real

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"

	"github.com/singleton-go/singleton/lab/internal/command"
	"golang.org/x/sys/unix"
)

// Options say what to do.
type Options struct {
	For     time.Duration `json:"for"`
	Nodes   int           `json:"nodes"`
	Members int           `json:"members"`
	TTL     time.Duration `json:"ttl"`
	Seed    uint64        `json:"seed"`
	Network string        `json:"network"` // how nodes are cut off
}

// The ways to cut off a node.
const (
	automatic  = "auto"       // namespaces, where this user may make them
	namespaces = "namespaces" // packets vanish
	proxies    = "proxies"    // what goes through a connection is swallowed
	hubbed     = "hub"        // as namespaces, and this process is in the hub already
)

// The marks of a healthy etcd: a heartbeat each 100 ms, an election after a second without one.
const electionTimeout = time.Second

// now is the machine's clock.
func now() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err) // the clock is there since Linux 2.6
	}
	return t.Nano()
}

// Run runs the command. It returns an error if the library broke a promise.
func Run(ctx context.Context, args []string, out, diag io.Writer) error {
	if len(args) == 2 {
		if role, ok := roles[args[0]]; ok {
			return role(ctx, args[1], os.Stdin, out)
		}
	}
	flags := flag.NewFlagSet("torture real", flag.ContinueOnError)
	flags.SetOutput(diag)
	var o Options
	flags.DurationVar(&o.For, "for", 10*time.Minute, "make faults for this long")
	flags.IntVar(&o.Nodes, "nodes", 5, "nodes")
	flags.IntVar(&o.Members, "members", 3, "members of etcd")
	flags.DurationVar(&o.TTL, "ttl", 2*time.Second, "TTL of a session, in whole seconds")
	flags.Uint64Var(&o.Seed, "seed", 0, "plan of the faults; 0: another one each time")
	flags.StringVar(&o.Network, "network", automatic, "how nodes are cut off: by namespaces, which needs root, by proxies, or auto")
	dir := flags.String("report", "", "write report.html and result.json into this `directory`")
	asJSON := flags.Bool("json", false, "print JSON")
	if err := command.Parse(flags, args); err != nil {
		return err
	}
	if err := o.validate(); err != nil {
		return err
	}
	if *dir != "" {
		if err := os.MkdirAll(*dir, 0o755); err != nil { // now rather than when all faults have been made
			return fmt.Errorf("-report: %w", err)
		}
	}
	if o.Network == automatic {
		o.Network = namespaces
		if err := mayHaveNamespaces(ctx); err != nil {
			_, _ = fmt.Fprintln(diag, "torture: nodes are cut off by proxies:", err)
			o.Network = proxies
		}
	}
	if o.Network == namespaces {
		return runInHub(ctx, args, out, diag)
	}
	if o.Seed == 0 {
		o.Seed = rand.Uint64()>>11 + 1 // a number that JavaScript can hold
	}
	result, err := torture(ctx, o, diag)
	if err != nil {
		return err
	}
	return result.publish(out, *dir, *asJSON)
}

func (o Options) validate() error {
	switch {
	case o.For < time.Second:
		return fmt.Errorf("-for %v: must be at least 1s", o.For)
	case o.Nodes < 2 || o.Nodes > 26:
		return fmt.Errorf("-nodes %d: must be from 2 to 26", o.Nodes)
	case o.Members < 1 || o.Members > 7 || o.Members%2 == 0:
		return fmt.Errorf("-members %d: must be 1, 3, 5 or 7", o.Members)
	case o.Network != automatic && o.Network != namespaces && o.Network != proxies && o.Network != hubbed:
		return fmt.Errorf("-network %q: must be %s, %s or %s", o.Network, automatic, namespaces, proxies)
	case o.TTL < 2*time.Second || o.TTL%time.Second != 0:
		return fmt.Errorf("-ttl %v: must be whole seconds, at least 2s, which is what etcd grants", o.TTL)
	}
	return nil
}

// A role is the program of another process of the same torture. It ends when in does, which its parent holds open.
type role func(ctx context.Context, spec string, in io.Reader, out io.Writer) error

var roles = map[string]role{"janitor": janitorRole, "member": memberRole, "node": nodeRole}

// errAlone is why a process ends without having been told to.
var errAlone = errors.New("the torture is gone")
