package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
)

func printJSON(out io.Writer, results []result) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(results)
}

func printTable(out io.Writer, results []result) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(cells ...any) { _, _ = fmt.Fprintf(w, "%v\t%v\t%v\t%v\t%v\t%v\t  %v\n", cells...) }
	line("candidates", "p50 ms", "p99 ms", "to floor", "aim", "to watches", "")
	for _, r := range results {
		aim := ""
		if r.Aim > 0 {
			aim = fmt.Sprintf("<= %.1f", r.Aim)
		}
		line(r.Candidates, number(r.P50), number(r.P99), number(r.Ratio), aim, number(r.ToMany), r.Contest)
	}
	return w.Flush()
}

func number(f float64) string { return fmt.Sprintf("%.2f", f) }
