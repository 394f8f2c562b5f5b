// Package sim is `torture sim`: very many schedules of the simulation of package election, on all cores.
//
// The simulation is a test of that package, in virtual time. It is built once, and run in processes of its own, so that a process
// that dies or hangs is a finding and not the end.
package sim

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/singleton-go/singleton/lab/internal/command"
)

// Options say what to do.
type Options struct {
	Seeds    uint64 // how many
	From     uint64 // the first one
	Parallel int    // processes at a time
	Replay   int64  // one seed, many times; below 0: none
	Times    int    // how many times
}

// seedsPerRun is how many seeds one process simulates: a few seconds of work.
const seedsPerRun = 200

// Run runs the command. It returns an error if any seed failed.
func Run(ctx context.Context, args []string, out, diag io.Writer) error {
	o, err := parse(args, diag)
	if err != nil {
		return err
	}
	tree, err := Tree(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "torture-sim-")
	if err != nil {
		return fmt.Errorf("directory for the simulation: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s := Simulation{Binary: filepath.Join(dir, "election.test"), Dir: dir}
	if err := s.Build(ctx, tree); err != nil {
		return err
	}
	if o.Replay >= 0 {
		return o.replay(ctx, s, out)
	}
	return o.all(ctx, s, out, diag)
}

func parse(args []string, diag io.Writer) (Options, error) {
	flags := flag.NewFlagSet("torture sim", flag.ContinueOnError)
	flags.SetOutput(diag)
	var o Options
	flags.Uint64Var(&o.Seeds, "seeds", 10000, "how many seeds")
	flags.Uint64Var(&o.From, "from", 0, "the first seed")
	flags.IntVar(&o.Parallel, "parallel", runtime.NumCPU(), "processes at a time")
	flags.Int64Var(&o.Replay, "replay", -1, "run this one `seed` again and again, and say how often it failed")
	flags.IntVar(&o.Times, "times", 100, "how many times -replay runs it")
	if err := command.Parse(flags, args); err != nil {
		return o, err
	}
	switch {
	case o.Seeds < 1:
		return o, errors.New("-seeds 0: must be at least 1")
	case o.Parallel < 1:
		return o, fmt.Errorf("-parallel %d: must be at least 1", o.Parallel)
	case o.Times < 1:
		return o, fmt.Errorf("-times %d: must be at least 1", o.Times)
	}
	return o, nil
}

// all runs all seeds, until one fails.
func (o Options) all(ctx context.Context, s Simulation, out, diag io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	next, end := o.From, o.From+o.Seeds
	p := progress{began: time.Now(), wanted: o.Seeds, diag: diag}
	outcomes := o.spread(ctx, func() (Outcome, bool) {
		from := next
		next = min(from+seedsPerRun, end)
		return Outcome{From: from, Seeds: next - from}, next > from
	}, s)
	var failed []Outcome
	for x := range outcomes {
		switch {
		case x.Err != nil && ctx.Err() == nil:
			failed = append(failed, x)
			cancel()
		case x.Err == nil:
			p.add(x)
		}
	}
	if len(failed) > 0 {
		_, _ = fmt.Fprintln(out, failed[0].Text)
		return failed[0].Err
	}
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("after %d seeds: %w", p.seeds, err)
	}
	_, _ = fmt.Fprintf(out, "%d seeds from %d in %v: %v\n", p.seeds, o.From, time.Since(p.began).Round(time.Second), p.sum)
	return nil
}

// replay runs one seed again and again.
func (o Options) replay(ctx context.Context, s Simulation, out io.Writer) error {
	left, failed, ran := o.Times, 0, 0
	var first Outcome
	for x := range o.spread(ctx, func() (Outcome, bool) {
		left--
		return Outcome{From: uint64(o.Replay), Seeds: 1}, left >= 0
	}, s) {
		if ran++; x.Err != nil {
			if failed++; failed == 1 {
				first = x
			}
		}
	}
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("replay of seed %d: %w", o.Replay, err)
	}
	if failed > 0 {
		_, _ = fmt.Fprintln(out, first.Text)
		return fmt.Errorf("seed %d failed %d of %d times", o.Replay, failed, ran)
	}
	_, _ = fmt.Fprintf(out, "seed %d passed %d of %d times\n", o.Replay, ran, ran)
	return nil
}

// spread runs what next hands out, by as many processes as wanted. Next is called by one goroutine at a time.
func (o Options) spread(ctx context.Context, next func() (Outcome, bool), s Simulation) <-chan Outcome {
	var mu sync.Mutex
	var workers sync.WaitGroup
	outcomes := make(chan Outcome)
	for range o.Parallel {
		workers.Go(func() {
			for ctx.Err() == nil {
				mu.Lock()
				x, ok := next()
				mu.Unlock()
				if !ok {
					return
				}
				outcomes <- s.Run(ctx, x.From, x.Seeds)
			}
		})
	}
	go func() { // ends with the workers, and the reader reads until then
		workers.Wait()
		close(outcomes)
	}()
	return outcomes
}

// progress adds up what has passed, and says so now and then.
type progress struct {
	diag   io.Writer
	began  time.Time
	said   time.Time
	wanted uint64
	seeds  uint64
	sum    Figures
}

func (p *progress) add(x Outcome) {
	p.seeds += x.Seeds
	p.sum = p.sum.Plus(x.Figures)
	if time.Since(p.said) > 5*time.Second {
		p.said = time.Now()
		_, _ = fmt.Fprintf(p.diag, "%d of %d seeds, %v: %v\n", p.seeds, p.wanted, time.Since(p.began).Round(time.Second), p.sum)
	}
}
