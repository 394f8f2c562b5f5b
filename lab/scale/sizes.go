package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// A size is what so many units need, by the figures that were measured and a simulation of what was not.
type size struct {
	Units    int `json:"units"`
	Clusters int `json:"clusters"` // of etcd
	Prefixes int `json:"prefixes"` // in each
	Nodes    int `json:"nodes"`    // with each prefix

	NodeMiB   float64 `json:"node_mib"`   // of heap, in a node where all units of its prefix wait
	StoreMiB  float64 `json:"store_mib"`  // of etcd's database in each cluster
	Messages  float64 `json:"messages"`   // per second to each cluster while nothing happens
	Takeover  float64 `json:"takeover_s"` // after the end of a node that leads all of its prefix
	Recovered float64 `json:"recovered_s"`
	Slowest   float64 `json:"slowest_renewal_s"` // meanwhile
}

// layouts are the ways to divide that are compared, for nodes by the three.
var layouts = []struct{ units, clusters, prefixes int }{
	{10_000, 1, 1},
	{100_000, 1, 1},
	{100_000, 1, 10},
	{100_000, 10, 1},
	{1_000_000, 1, 100},
	{1_000_000, 10, 10},
	{1_000_000, 30, 4},
}

// sizes applies the figures of the most elections that were measured.
func sizes(r results) (list []size) {
	f, ok := find(r.Growth, "singleton", largestOf(r.Growth))
	if !ok || f.Units < fewest || f.Err != "" {
		return nil
	}
	for _, l := range layouts {
		each := l.units / l.clusters / l.prefixes
		own := f.PendingHeap - f.ForeignHeap*float64(f.Nodes-1)
		s := size{Units: l.units, Clusters: l.clusters, Prefixes: l.prefixes, Nodes: f.Nodes}
		s.NodeMiB = float64(each) * (own + float64(s.Nodes-1)*f.ForeignHeap) / (1 << 20)
		s.StoreMiB = float64(each*l.prefixes*s.Nodes) * f.StoreBytes / (1 << 20)
		s.Messages = f.IdleSent / float64(f.Nodes) * float64(s.Nodes*l.prefixes)
		s.Takeover = f.Revoked * float64(each) / float64(f.Units)
		b := outage{nodes: s.Nodes * l.prefixes, units: each, renewal: r.TTL / 4, batch: batchTime(f)}
		recovered, slowest := b.simulate()
		s.Recovered, s.Slowest = recovered.Seconds(), slowest.Seconds()
		list = append(list, s)
	}
	return list
}

// batchTime is what etcd and the nodes beside it take for one full transaction, by the start of the first node: a record in the queue
// and one in the registry for each unit.
func batchTime(f figures) time.Duration {
	return time.Duration(f.Start / float64(f.Units) * batchSize * float64(time.Second) / recordsOfUnit)
}

const (
	batchSize     = 127 // creations in one transaction, at most
	batches       = 4   // of one node, under way at most
	recordsOfUnit = 2
)

func printSizes(out io.Writer, list []size) error {
	if len(list) == 0 {
		return nil
	}
	_, _ = fmt.Fprint(out, "\nsizes, calculated from the above; the last two simulated\n")
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(w, "units\tclusters\tprefixes\tnodes each\tnode MiB\tetcd MiB\tsent/s\ttakeover s\toutage s\tslowest renewal s\t")
	for _, s := range list {
		_, _ = fmt.Fprintf(w, "%d\t%d\t%d\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t\n", s.Units, s.Clusters, s.Prefixes, s.Nodes,
			number(s.NodeMiB), number(s.StoreMiB), number(s.Messages), number(s.Takeover), number(s.Recovered), number(s.Slowest))
	}
	return w.Flush()
}
