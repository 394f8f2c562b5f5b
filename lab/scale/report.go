package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"text/tabwriter"
	"time"
)

// Results are all figures of one run.
type results struct {
	TTL    time.Duration `json:"ttl_ns"`
	Cores  int           `json:"cores"`
	Go     string        `json:"go"`
	Growth []figures     `json:"by_elections"`
	Sweep  []figures     `json:"by_nodes"`
	Sizes  []size        `json:"sizes"`
}

// measureOrRead returns what is measured now, or what was.
func measureOrRead(ctx context.Context, o options, diag io.Writer) (r results, err error) {
	if o.from == "" {
		r = measure(ctx, o, diag)
	} else {
		text, err := os.ReadFile(o.from)
		if err != nil {
			return r, err
		}
		if err := json.Unmarshal(text, &r); err != nil {
			return r, fmt.Errorf("-from %s: %w", o.from, err)
		}
	}
	r.Sizes = sizes(r)
	return r, ctx.Err()
}

func measure(ctx context.Context, o options, diag io.Writer) results {
	r := results{TTL: o.ttl, Cores: runtime.NumCPU(), Go: runtime.Version()}
	one := func(f figures, full bool) figures {
		if f.Kind == "leaderelection" && f.Units > o.most {
			f.Err = "not run: -leaderelection-most " + strconv.Itoa(o.most)
			return f
		}
		begun := time.Now()
		f = try(ctx, o, f, full, diag)
		_, _ = fmt.Fprintf(diag, "%s: %d elections, %d nodes: %.0f s %s\n", f.Kind, f.Units, f.Nodes, time.Since(begun).Seconds(), f.Err)
		return f
	}
	for _, n := range o.units {
		for _, k := range o.kinds {
			r.Growth = append(r.Growth, one(figures{Kind: k, Units: n, Nodes: o.nodes}, true))
		}
	}
	for _, n := range o.at {
		for _, nodes := range o.sweep {
			r.Sweep = append(r.Sweep, one(figures{Kind: "singleton", Units: n, Nodes: nodes}, false))
		}
	}
	return r
}

func printJSON(out io.Writer, r results) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// A column is one figure of the tables.
type column struct {
	head string
	of   func(figures) float64
}

var times = []column{
	{"start s", func(f figures) float64 { return f.Start }},
	{"revoked s", func(f figures) float64 { return f.Revoked }},
	{"killed s", func(f figures) float64 { return f.Killed }},
	{"stopped s", func(f figures) float64 { return f.Stopped }},
	{"outage s", func(f figures) float64 { return f.Recovered }},
}

var costs = []column{
	{"sent/s", func(f figures) float64 { return f.IdleSent }},
	{"received/s", func(f figures) float64 { return f.IdleReceived }},
	{"node ms/s", func(f figures) float64 { return f.NodeCPU }},
	{"etcd ms/s", func(f figures) float64 { return f.EtcdCPU }},
	{"ready B", func(f figures) float64 { return f.ReadyHeap }},
	{"gor.", func(f figures) float64 { return f.ReadyGoroutines }},
	{"pending B", func(f figures) float64 { return f.PendingHeap }},
	{"foreign B", func(f figures) float64 { return f.ForeignHeap }},
	{"gor.", func(f figures) float64 { return f.PendingGoroutines }},
}

var perChange = []column{
	{"sent/s", func(f figures) float64 { return f.IdleSent }},
	{"node ms/s", func(f figures) float64 { return f.NodeCPU }},
	{"etcd ms/s", func(f figures) float64 { return f.EtcdCPU }},
	{"pending B", func(f figures) float64 { return f.PendingHeap }},
	{"foreign B", func(f figures) float64 { return f.ForeignHeap }},
	{"change us", func(f figures) float64 { return f.ChangeCPU }},
	{"change msgs", func(f figures) float64 { return f.ChangeReceived }},
	{"revoked s", func(f figures) float64 { return f.Revoked }},
}

func printTables(out io.Writer, r results) error {
	_, _ = fmt.Fprintf(out, "TTL %v, %d cores, %s; 0 is what was not measured\n", r.TTL, r.Cores, r.Go)
	for _, t := range []struct {
		title   string
		rows    []figures
		columns []column
	}{
		{"times", r.Growth, times}, {"costs", r.Growth, costs}, {"growth with the nodes", r.Sweep, perChange},
	} {
		if len(t.rows) == 0 {
			continue
		}
		_, _ = fmt.Fprintf(out, "\n%s\n", t.title)
		if err := printTable(out, t.rows, t.columns); err != nil {
			return err
		}
	}
	_, _ = fmt.Fprint(out, "\naims\n")
	if err := printAims(out, aims(r)); err != nil {
		return err
	}
	return printSizes(out, r.Sizes)
}

func printTable(out io.Writer, rows []figures, columns []column) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprint(w, "elections\tnodes\t")
	for _, c := range columns {
		_, _ = fmt.Fprintf(w, "%s\t", c.head)
	}
	_, _ = fmt.Fprintln(w)
	for _, f := range rows {
		_, _ = fmt.Fprintf(w, "%d\t%d\t", f.Units, f.Nodes)
		for _, c := range columns {
			_, _ = fmt.Fprintf(w, "%s\t", number(c.of(f)))
		}
		_, _ = fmt.Fprintf(w, "  %s %s\n", f.Kind, f.Err)
	}
	return w.Flush()
}

// number has three digits that count, and more where they stand before the point.
func number(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v >= 100 || v <= -100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10 || v <= -10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case v >= 1 || v <= -1:
		return strconv.FormatFloat(v, 'f', 2, 64)
	default:
		return strconv.FormatFloat(v, 'f', 3, 64)
	}
}
