// Package faults is `torture faults`: whether the simulation, and where it can't see them the tests, catch mistakes that could be
// made in our own code. Each is applied to a copy of the module, one at a time.
package faults

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/singleton-go/singleton/lab/internal/command"
	"github.com/singleton-go/singleton/lab/torture/sim"
)

// Options say what to do.
type Options struct {
	Seeds    uint64 // of the simulation, before a fault counts as not seen by it
	Parallel int    // processes of the simulation at a time
	Only     string // faults whose names contain this
}

// A verdict is what came of one fault.
type verdict struct {
	fault  fault
	caught string // by what; empty: not at all
	after  uint64 // seeds, where the simulation caught it
	took   time.Duration
	err    error // why it could not be tried
}

// Run runs the command. It returns an error if a fault was not caught, or its patch no longer applies.
func Run(ctx context.Context, args []string, out, diag io.Writer) error {
	flags := flag.NewFlagSet("torture faults", flag.ContinueOnError)
	flags.SetOutput(diag)
	var o Options
	flags.Uint64Var(&o.Seeds, "seeds", 1000, "simulate up to so many seeds for each fault")
	flags.IntVar(&o.Parallel, "parallel", runtime.NumCPU(), "build and test with so many threads")
	flags.StringVar(&o.Only, "only", "", "try only the faults whose names contain this `text`")
	if err := command.Parse(flags, args); err != nil {
		return err
	}
	if o.Parallel < 1 {
		return fmt.Errorf("-parallel %d: must be at least 1", o.Parallel)
	}
	verdicts, err := tryAll(ctx, o, diag)
	if err != nil {
		return err
	}
	return report(out, verdicts)
}

func tryAll(ctx context.Context, o Options, diag io.Writer) ([]verdict, error) {
	source, err := sim.Tree(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "torture-faults-")
	if err != nil {
		return nil, fmt.Errorf("directory for the copy: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	l := &laboratory{options: o, source: source, tree: filepath.Join(dir, "module"), dir: dir}
	if err := copyModule(l.source, l.tree); err != nil {
		return nil, err
	}
	if err := l.mustPass(ctx); err != nil {
		return nil, err
	}
	var verdicts []verdict
	for _, f := range all {
		if !strings.Contains(f.name, o.Only) {
			continue
		}
		v := l.try(ctx, f)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		_, _ = fmt.Fprintln(diag, v)
		verdicts = append(verdicts, v)
	}
	return verdicts, nil
}

// A laboratory is the copy of the module and what is built of it.
type laboratory struct {
	options           Options
	source, tree, dir string
}

// mustPass makes sure that what catches the faults finds none where there is none.
func (l *laboratory) mustPass(ctx context.Context) error {
	s := l.simulation()
	if err := s.Build(ctx, l.tree); err != nil {
		return err
	}
	if x := s.Run(ctx, 0, 50); x.Err != nil {
		return fmt.Errorf("without any fault: %w\n%s", x.Err, x.Text)
	}
	return nil
}

func (l *laboratory) simulation() sim.Simulation {
	return sim.Simulation{Binary: filepath.Join(l.dir, "election.test"), Dir: l.dir, Hung: 30 * time.Second}
}

// try applies a fault, sees who catches it, and takes it back.
func (l *laboratory) try(ctx context.Context, f fault) (v verdict) {
	v = verdict{fault: f}
	began := time.Now()
	defer func() { v.took = time.Since(began) }()
	undo, err := l.apply(f)
	defer undo()
	if err != nil {
		v.err = err
		return v
	}
	s := l.simulation()
	if v.err = s.Build(ctx, l.tree); v.err != nil {
		return v
	}
	for from, n := uint64(0), uint64(20); from < l.options.Seeds && ctx.Err() == nil; from, n = from+n, min(2*n, 200) {
		if x := s.Run(ctx, from, min(n, l.options.Seeds-from)); x.Err != nil {
			v.caught, v.after = "the simulation", x.Seed+1
			return v
		}
	}
	for _, p := range f.tests {
		if !l.passes(ctx, p) {
			v.caught = "the tests of " + p
			return v
		}
	}
	return v
}

// passes runs the tests of a package.
func (l *laboratory) passes(ctx context.Context, pkg string) bool {
	cmd := exec.CommandContext(ctx, "go", "test", "-short", "-vet=off", "-failfast", "-timeout", "2m", fmt.Sprintf("-p=%d", l.options.Parallel), pkg)
	cmd.Dir = l.tree
	cmd.Env = append(os.Environ(), "GOWORK=off", fmt.Sprintf("GOMAXPROCS=%d", l.options.Parallel))
	return cmd.Run() == nil
}

func (v verdict) String() string {
	switch {
	case v.err != nil:
		return fmt.Sprintf("%-26s NOT TRIED: %v", v.fault.name, v.err)
	case v.caught == "":
		return fmt.Sprintf("%-26s NOT CAUGHT, in %v", v.fault.name, v.took.Round(time.Second))
	case v.after > 0:
		return fmt.Sprintf("%-26s %s, seed %d, %v", v.fault.name, v.caught, v.after-1, v.took.Round(time.Second))
	}
	return fmt.Sprintf("%-26s %s, %v", v.fault.name, v.caught, v.took.Round(time.Second))
}

// report prints the table, and returns an error if it is not as it should be.
func report(out io.Writer, verdicts []verdict) error {
	bad := 0
	_, _ = fmt.Fprint(out, "| fault | what is wrong | caught by | seeds | time |\n| --- | --- | --- | --- | --- |\n")
	for _, v := range verdicts {
		seeds := ""
		if v.after > 0 {
			seeds = fmt.Sprint(v.after)
		}
		caught := v.caught
		switch {
		case v.err != nil:
			caught = "NOT TRIED"
			bad++
		case caught == "":
			caught = "NOTHING"
			bad++
		}
		_, _ = fmt.Fprintf(out, "| `%s` | %s | %s | %s | %v |\n", v.fault.name, v.fault.does, caught, seeds, v.took.Round(time.Second))
	}
	switch {
	case len(verdicts) == 0:
		return fmt.Errorf("no fault has such a name")
	case bad > 0:
		return fmt.Errorf("%d of %d faults were not caught", bad, len(verdicts))
	}
	return nil
}
