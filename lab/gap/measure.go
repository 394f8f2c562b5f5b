package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// A result is what one fault to one contender has cost, in milliseconds.
type result struct {
	Contender string  `json:"contender"`
	Fault     string  `json:"fault"`
	N         int     `json:"n"`
	GapP50    float64 `json:"gapP50"`
	GapP99    float64 `json:"gapP99"`
	TakeP50   float64 `json:"takeoverP50"`
	TakeP99   float64 `json:"takeoverP99"`
	TakeMax   float64 `json:"takeoverMax"`
	Overlaps  int     `json:"overlaps"`
}

// A key is a fault to a contender.
type key struct{ contender, fault string }

// measure lets all contenders take turns, fault by fault.
func measure(ctx context.Context, dir string, list []*contender, rounds, slow int) (results []result, err error) {
	changes := map[key][]change{}
	arenas := make([]*arena, 0, len(list))
	defer func() {
		for _, a := range arenas {
			_ = a.close() // they were killed a thousand times
		}
	}()
	for i, c := range list {
		a, err := c.enter(ctx, dir, i)
		if err != nil {
			return nil, err
		}
		arenas = append(arenas, a)
	}
	for round := range rounds {
		for _, a := range arenas {
			if err := a.round(ctx, changes, round < slow); err != nil {
				return nil, err
			}
		}
	}
	for _, c := range list {
		for _, f := range c.faults {
			results = append(results, summary(c.name, f.name, changes[key{c.name, f.name}]))
		}
	}
	return results, nil
}

// round makes each fault once, the slow ones only if they are wanted.
func (a *arena) round(ctx context.Context, changes map[key][]change, slow bool) error {
	for _, f := range a.faults {
		if f.slow && !slow {
			continue
		}
		c, err := a.strike(ctx, f)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", a.name, f.name, err)
		}
		k := key{a.name, f.name}
		changes[k] = append(changes[k], c)
	}
	return nil
}

func summary(contender, fault string, changes []change) result {
	r := result{Contender: contender, Fault: fault, N: len(changes)}
	var gaps, takes []time.Duration
	for _, c := range changes {
		gaps, takes = append(gaps, c.gap), append(takes, c.takeover)
		if c.overlap {
			r.Overlaps++
		}
	}
	slices.Sort(gaps)
	slices.Sort(takes)
	r.GapP50, r.GapP99 = ms(quantile(gaps, 50)), ms(quantile(gaps, 99))
	r.TakeP50, r.TakeP99, r.TakeMax = ms(quantile(takes, 50)), ms(quantile(takes, 99)), ms(takes[len(takes)-1])
	return r
}

func quantile(sorted []time.Duration, percent int) time.Duration {
	return sorted[(len(sorted)-1)*percent/100]
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func printJSON(out io.Writer, results []result) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(results)
}

func printTable(out io.Writer, results []result) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(t, "contender\tfault\tn\tgap p50\tp99\ttakeover p50\tp99\tmax ms\toverlaps\t") // Flush tells
	for _, r := range results {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%d\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t%d\t\n", r.Contender, r.Fault, r.N, r.GapP50, r.GapP99,
			r.TakeP50, r.TakeP99, r.TakeMax, r.Overlaps)
	}
	return t.Flush()
}
