package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// An aim is what a figure should be at most, and what it was.
type aim struct {
	what        string
	most, value float64
}

// aims compares the largest number of elections with what was aimed at. A figure that was not measured is left out.
func aims(r results) (list []aim) {
	f, largest := find(r.Growth, "singleton", largestOf(r.Growth))
	if !largest {
		return nil
	}
	add := func(what string, most, value float64, measured ...float64) {
		if !slices.Contains(measured, 0) {
			list = append(list, aim{what, most, value})
		}
	}
	small := smallest(r.Growth, "singleton")
	add("idle messages, to those for the fewest elections", 1.1, f.IdleSent/small.IdleSent, f.IdleSent, small.IdleSent)
	add("idle messages per node and renewal interval: a renewal, and a mark's read and request, a little early", 3.3,
		f.IdleSent/float64(f.Nodes)*r.TTL.Seconds()/4, f.IdleSent)
	add("heap of an own pending unit, bytes", 1024, f.PendingHeap-float64(f.Nodes-1)*f.ForeignHeap, f.PendingHeap, f.ForeignHeap)
	add("heap for each candidate of another node, bytes", 150, f.ForeignHeap, f.ForeignHeap)
	add("goroutines per pending unit", 0.01, f.PendingGoroutines, f.PendingHeap)
	add("goroutines per ready unit beside its runner's", 0.01, f.ReadyGoroutines, f.ReadyHeap)
	if bare, ok := find(r.Growth, "bare", f.Units); ok {
		add("time to start, to bare creations", 2, f.Start/bare.Start, f.Start, bare.Start)
		add("all taken over after a revocation, to a bare watch", 3, f.Revoked/bare.Revoked, f.Revoked, bare.Revoked)
	}
	add("all taken over after a revocation, s", 1, f.Revoked, f.Revoked)
	few, many := changeCosts(r.Sweep)
	add("a change on a waiting node, to that with fewer elections", 2, many/few, few, many)
	return list
}

func largestOf(list []figures) (n int) {
	for _, f := range list {
		n = max(n, f.Units)
	}
	return n
}

func find(list []figures, kind string, units int) (figures, bool) {
	i := slices.IndexFunc(list, func(f figures) bool { return f.Kind == kind && f.Units == units })
	if i < 0 {
		return figures{}, false
	}
	return list[i], true
}

func smallest(list []figures, kind string) (least figures) {
	for _, f := range list {
		if f.Kind == kind && (least.Kind == "" || f.Units < least.Units) {
			least = f
		}
	}
	return least
}

// changeCosts returns what one change costs a waiting node among the most nodes, with the fewest elections and with the most.
func changeCosts(sweep []figures) (few, many float64) {
	var least, most figures
	for _, f := range sweep {
		if f.Nodes > least.Nodes || f.Nodes == least.Nodes && f.Units < least.Units {
			least = f
		}
		if f.Nodes > most.Nodes || f.Nodes == most.Nodes && f.Units > most.Units {
			most = f
		}
	}
	if least.Units == most.Units {
		return 0, 0
	}
	return least.ChangeCPU, most.ChangeCPU
}

func printAims(out io.Writer, list []aim) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, a := range list {
		verdict := "met"
		if a.value > a.most {
			verdict = "missed"
		}
		_, _ = fmt.Fprintf(w, "%s\t<= %s\t%s\t  %s\n", number(a.value), number(a.most), verdict, a.what)
	}
	return w.Flush()
}
