package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// names are the kinds for people, in the order of their colours.
var names = []struct{ kind, name string }{
	{"singleton", "singleton"},
	{"concurrency", "etcd concurrency"},
	{"leaderelection", "client-go"},
	{"bare", "bare keys"},
}

// figure is a plot with its file.
type figure struct {
	file, title, y string
	of             func(figures) float64
}

var byElections = []figure{
	{"idle-messages", "Messages to the store while nothing happens", "messages per second, all nodes", func(f figures) float64 { return f.IdleSent }},
	{"node-cpu", "Processor time of an idle node", "ms per second", func(f figures) float64 { return f.NodeCPU }},
	{"etcd-cpu", "Processor time of etcd while nothing happens", "ms per second", func(f figures) float64 { return f.EtcdCPU }},
	{"pending-heap", "Heap of a waiting election", "bytes per election", func(f figures) float64 { return f.PendingHeap }},
	{"ready-heap", "Heap of an election that is led", "bytes per election", func(f figures) float64 { return f.ReadyHeap }},
	{"start", "Time until the first node leads in all", "s", func(f figures) float64 { return f.Start }},
	{"revoked", "All taken over after the lease was revoked", "s", func(f figures) float64 { return f.Revoked }},
	{"killed", "All taken over after the leader was killed", "s", func(f figures) float64 { return f.Killed }},
	{"stopped", "All taken over after a planned stop", "s", func(f figures) float64 { return f.Stopped }},
	{"recovered", "All led again after etcd came back", "s", func(f figures) float64 { return f.Recovered }},
}

var byNodes = []figure{
	{"nodes-messages", "Messages to the store by nodes", "messages per second, all nodes", func(f figures) float64 { return f.IdleSent }},
	{"nodes-heap", "Heap of a waiting unit by nodes", "bytes per unit", func(f figures) float64 { return f.PendingHeap }},
	{"nodes-change", "What one change costs a waiting node", "us of processor time", func(f figures) float64 { return f.ChangeCPU }},
}

// draw writes a picture for each figure that there is something of. Goroutines have none: there are none to show.
func draw(dir string, r results) error {
	for _, f := range byElections {
		p := plot{title: f.title, x: "elections", y: f.y}
		for _, k := range names {
			p.lines = append(p.lines, pick(k.name, r.Growth, func(g figures) bool { return g.Kind == k.kind },
				func(g figures) float64 { return float64(g.Units) }, f.of))
		}
		if err := write(dir, f.file, p); err != nil {
			return err
		}
	}
	for _, f := range byNodes {
		p := plot{title: f.title, x: "nodes", y: f.y}
		for _, n := range unitsOf(r.Sweep) {
			p.lines = append(p.lines, pick(fmt.Sprintf("%d units", n), r.Sweep, func(g figures) bool { return g.Units == n },
				func(g figures) float64 { return float64(g.Nodes) }, f.of))
		}
		if err := write(dir, f.file, p); err != nil {
			return err
		}
	}
	return nil
}

func pick(name string, list []figures, in func(figures) bool, x, y func(figures) float64) line {
	l := line{name: name}
	for _, f := range list {
		if in(f) {
			l.points = append(l.points, [2]float64{x(f), y(f)})
		}
	}
	return l
}

// unitsOf returns the numbers of units, each once, in the order in which they come.
func unitsOf(list []figures) (all []int) {
	seen := map[int]bool{}
	for _, f := range list {
		if !seen[f.Units] {
			seen[f.Units], all = true, append(all, f.Units)
		}
	}
	return all
}

func write(dir, name string, p plot) error {
	text, ok := p.svg()
	if !ok {
		return nil
	}
	return os.WriteFile(filepath.Join(dir, name+".svg"), []byte(text), 0o644) //nolint:gosec // pictures for everybody
}
