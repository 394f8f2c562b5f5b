package real

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
)

// publish prints the result, writes the report, and returns an error if a promise was broken.
func (r *Result) publish(out io.Writer, dir string, asJSON bool) error {
	if dir != "" {
		if err := r.write(dir); err != nil {
			return err
		}
	}
	show := r.table
	if asJSON {
		show = r.json
	}
	if err := show(out); err != nil {
		return err
	}
	if len(r.Broken) > 0 {
		return errors.New("broken: " + strings.Join(r.Broken, "; "))
	}
	return nil
}

// write puts the report into a directory that is there.
func (r *Result) write(dir string) error {
	for name, show := range map[string]func(io.Writer) error{"result.json": r.json, "report.html": r.page} {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if err := errors.Join(show(f), f.Close()); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (r *Result) json(out io.Writer) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// A row is one line of the table.
type row struct {
	Name  string
	Cells []string // one for each contender
}

// rows are the figures side by side.
func (r *Result) rows() []row {
	rows := make([]row, 0, 14)
	line := func(name string, cell func(o Outcome) string) {
		one := row{Name: name}
		for _, o := range r.Contenders {
			one.Cells = append(one.Cells, cell(o))
		}
		rows = append(rows, one)
	}
	number := func(n int) string { return fmt.Sprint(n) }
	overlaps := func(o Overlaps) string {
		if o.Count == 0 {
			return "0"
		}
		return fmt.Sprintf("%d, longest %.0f ms", o.Count, o.Longest)
	}
	line("terms", func(o Outcome) string { return number(o.Terms) })
	line("effects", func(o Outcome) string { return number(o.Effects) })
	line("overlaps, nobody suspended", func(o Outcome) string { return overlaps(o.Overlaps) })
	line("overlaps after a suspension", func(o Outcome) string { return overlaps(o.Suspended) })
	line("stale effects tried", func(o Outcome) string { return number(o.Stale) })
	line("of these refused by the fence", func(o Outcome) string { return number(o.Refused) })
	line("fenced, accepted out of order", func(o Outcome) string { return number(o.OutOfOrder) })
	line("somebody leads", func(o Outcome) string { return fmt.Sprintf("%.1f %%", o.Availability) })
	line("longest without a leader", func(o Outcome) string { return fmt.Sprintf("%.1f s", o.LongestGap/1000) })
	line("closest to the bound", func(o Outcome) string { return fmt.Sprintf("%.1f of %.0f s", o.Stretch/1000, o.Bound/1000) })
	line("beyond the bound", func(o Outcome) string { return number(o.Beyond) })
	line("history, unfenced", func(o Outcome) string { return o.Executions })
	line("history, without suspended nodes", func(o Outcome) string { return o.Awake })
	line("history, fenced", func(o Outcome) string { return o.Fenced })
	return rows
}

// headline says what was done.
func (r *Result) headline() string {
	return fmt.Sprintf("%.0f s, %d members of etcd, %d nodes, TTL %v, seed %d", r.Ran, r.Options.Members, r.Options.Nodes, r.Options.TTL, r.Options.Seed)
}

// faults says how often each fault was made.
func (r *Result) faults() string {
	var list []string
	for _, f := range r.Faults {
		if f.Count > 0 {
			list = append(list, fmt.Sprintf("%s %d", f.Kind, f.Count))
		}
	}
	return fmt.Sprintf("%s. Etcd lost or changed its leader %d times, and had no majority for %.1f s.", strings.Join(list, ", "), r.Losses, r.Outage)
}

func (r *Result) table(out io.Writer) error {
	_, _ = fmt.Fprintf(out, "%s\n%s\n\n", r.headline(), r.faults()) // Flush tells
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprint(t, "\t", strings.Join(contenders, "\t"), "\n")
	for _, row := range r.rows() {
		_, _ = fmt.Fprint(t, row.Name, "\t", strings.Join(row.Cells, "\t"), "\n")
	}
	return t.Flush()
}
