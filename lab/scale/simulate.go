package main

import (
	"container/heap"
	"time"
)

// An outage is the return of a cluster that was away for longer than the TTL: all nodes open new sessions at the same time, and
// create the records of all units, in batches of which some are under way at a time. The server does one thing after the
// other, in the order in which they arrive, and a node's next batch arrives when one is done. Renewals stand in the same line.
type outage struct {
	nodes, units   int
	renewal, batch time.Duration
}

// An arrival is a request that the server hasn't seen yet.
type arrival struct {
	at      time.Duration
	node    int
	renewal bool
}

// arrivals are ordered by when they come.
type arrivals []arrival

func (l *arrivals) Len() int           { return len(*l) }
func (l *arrivals) Less(i, j int) bool { return (*l)[i].at < (*l)[j].at }
func (l *arrivals) Swap(i, j int)      { (*l)[i], (*l)[j] = (*l)[j], (*l)[i] }
func (l *arrivals) Push(x any)         { *l = append(*l, x.(arrival)) } //nolint:forcetypeassert // only heap calls it
func (l *arrivals) Pop() any {
	last := (*l)[len(*l)-1]
	*l = (*l)[:len(*l)-1]
	return last
}

// simulate returns when the last record is there, and how long the slowest renewal took. A renewal itself is taken to cost a
// hundredth of a batch.
func (o outage) simulate() (over, slowest time.Duration) {
	var line arrivals
	left := make([]int, o.nodes) // batches not sent yet
	open := 0                    // batches that are not done
	for n := range o.nodes {
		left[n] = (o.units*recordsOfUnit + batchSize - 1) / batchSize
		open += left[n]
		for range min(batches, left[n]) {
			left[n]--
			line = append(line, arrival{node: n})
		}
		line = append(line, arrival{at: o.renewal * time.Duration(n+1) / time.Duration(o.nodes), node: n, renewal: true})
	}
	heap.Init(&line)
	var now time.Duration
	for open > 0 {
		a := heap.Pop(&line).(arrival) //nolint:forcetypeassert // there is nothing else in it
		now = max(now, a.at)
		if a.renewal {
			now += o.batch / 100
			slowest = max(slowest, now-a.at)
			heap.Push(&line, arrival{at: max(now, a.at+o.renewal), node: a.node, renewal: true})
			continue
		}
		now += o.batch
		open--
		if left[a.node] > 0 {
			left[a.node]--
			heap.Push(&line, arrival{at: now, node: a.node})
		}
	}
	for _, a := range line { // those that still stand in it
		if a.renewal {
			slowest = max(slowest, now-a.at)
		}
	}
	return now, slowest
}
