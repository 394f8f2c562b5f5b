package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	module = "github.com/singleton-go/singleton"
	test   = "TestClusterUnderFaultsNeverRunsTwiceAndRecovers"

	// hung is far more than a process takes for its seeds on a machine that is busy.
	hung = 3 * time.Minute
)

// A Simulation is the tests of package election, built.
type Simulation struct {
	Binary string
	Dir    string        // to run in
	Hung   time.Duration // after which a process is taken to hang; default 3 minutes
}

// Figures are what simulations saw.
type Figures struct {
	Terms, Lost, Overlaps, Stale int
}

var figures = regexp.MustCompile(`(?m)^sim: (\d+) terms, (\d+) lost, (\d+) overlaps .*, (\d+) stale`)

// Plus adds the figures of another process.
func (f Figures) Plus(x Figures) Figures {
	return Figures{f.Terms + x.Terms, f.Lost + x.Lost, f.Overlaps + x.Overlaps, f.Stale + x.Stale}
}

func (f Figures) String() string {
	return fmt.Sprintf("%d terms, %d lost, %d overlaps that a broken bound explains, %d stale effects refused", f.Terms, f.Lost, f.Overlaps, f.Stale)
}

// An Outcome is what came of some seeds.
type Outcome struct {
	From, Seeds uint64
	Figures     Figures
	Err         error  // what failed
	Seed        uint64 // the lowest one that did
	Text        string // what that one said, with its schedule
}

// Tree returns the directory of the module that is simulated.
func Tree(ctx context.Context) (string, error) {
	var diag bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", module)
	cmd.Stderr = &diag
	dir, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("find %s: %w: %s", module, err, &diag)
	}
	return strings.TrimSpace(string(dir)), nil
}

// Build builds the simulation of the module in this directory.
func (s Simulation) Build(ctx context.Context, tree string) error {
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-o", s.Binary, "./election")
	cmd.Dir = tree
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the simulation: %w\n%s", err, said)
	}
	return nil
}

// Run simulates some seeds in a process of its own.
func (s Simulation) Run(ctx context.Context, from, seeds uint64) Outcome {
	x := Outcome{From: from, Seeds: seeds}
	said, err := s.process(ctx, from, seeds)
	if err == nil {
		x.Figures, x.Err = readFigures(said)
		return x
	}
	if ctx.Err() != nil {
		x.Err = context.Cause(ctx)
		return x
	}
	if seed, text, ok := firstFailure(said); ok {
		x.Seed, x.Text = seed, text
		x.Err = fmt.Errorf("seed %d failed; run it again by -replay %d", seed, seed)
		return x
	}
	if seeds == 1 {
		x.Seed, x.Text = from, tail(said)
		x.Err = fmt.Errorf("seed %d ended its process: %w", from, err)
		return x
	}
	return s.search(ctx, x, said, err)
}

// search finds the seed that ended the process of many.
func (s Simulation) search(ctx context.Context, x Outcome, said string, err error) Outcome {
	for seed := x.From; seed < x.From+x.Seeds; seed++ {
		if one := s.Run(ctx, seed, 1); one.Err != nil {
			one.From, one.Seeds = x.From, x.Seeds
			return one
		}
	}
	x.Seed, x.Text = x.From, tail(said)
	x.Err = fmt.Errorf("seeds %d to %d ended their process, and none of them does so alone: %w", x.From, x.From+x.Seeds-1, err)
	return x
}

func (s Simulation) process(ctx context.Context, from, seeds uint64) (string, error) {
	limit := s.Hung
	if limit == 0 {
		limit = hung
	}
	ctx, cancel := context.WithTimeout(ctx, limit+10*time.Second) // its own limit comes first, and says more
	defer cancel()
	cmd := exec.CommandContext(ctx, s.Binary, "-test.run", "^"+test+"$", "-test.timeout", limit.String(),
		"-sim.from", strconv.FormatUint(from, 10), "-sim.seeds", strconv.FormatUint(seeds, 10))
	cmd.Dir = s.Dir
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1") // the processes are what runs in parallel
	said, err := cmd.CombinedOutput()
	if err != nil {
		return string(said), fmt.Errorf("simulation: %w", err)
	}
	return string(said), nil
}

func readFigures(said string) (f Figures, err error) {
	m := figures.FindStringSubmatch(said)
	if m == nil {
		return f, errors.New("the simulation passed without figures: " + tail(said))
	}
	for i, p := range []*int{&f.Terms, &f.Lost, &f.Overlaps, &f.Stale} {
		if *p, err = strconv.Atoi(m[i+1]); err != nil {
			return f, fmt.Errorf("figures of the simulation: %w", err)
		}
	}
	return f, nil
}

var failure = regexp.MustCompile(`(?m)^    --- FAIL: ` + test + `/seed=(\d+) `)

// firstFailure finds the failed seed with the lowest number, and what was said about it.
func firstFailure(said string) (seed uint64, text string, ok bool) {
	all := failure.FindAllStringSubmatchIndex(said, -1)
	for i, at := range all {
		n, err := strconv.ParseUint(said[at[2]:at[3]], 10, 64)
		if err != nil || ok && n > seed {
			continue
		}
		end := len(said)
		if i+1 < len(all) {
			end = all[i+1][0]
		}
		seed, text, ok = n, strings.TrimRight(said[at[0]:end], "\n"), true
	}
	return seed, text, ok
}

// tail is the end of what a process said that died.
func tail(said string) string {
	const most = 8000
	return said[max(0, len(said)-most):]
}
