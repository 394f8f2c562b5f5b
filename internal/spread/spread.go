// Package spread decides which units a process hands over, so that all processes lead the same number of units, give or take
// one. It is arithmetic alone: it knows no clock, no store and no runner.
//
// There is nobody who decides for all. Every process computes the same plan from what it sees of the queues, and does its own
// part of it. So two that see the same never give to the same place, and two that see different things differ by what is under
// way, which the next plan mends.
package spread

import (
	"cmp"
	"math/bits"
	"slices"
	"time"
)

// A Node is one process of the cluster, known by its session.
type Node struct {
	ID       string
	Weight   int // of its share, beside the others'
	Priority int // where others have a higher one, it is to lead nothing
	Leads    int // how many units it leads
}

// A Unit is one that the process which decides leads.
type Unit struct {
	Name    string
	Waiting []string // the nodes that wait for it, the next one first
}

// A Move is a unit that is to be handed over to a node.
type Move struct {
	Unit string
	To   string
}

// Delay returns how long this node holds back before it queues for a unit the first time: less than limit. The delay is the
// score of rendezvous hashing itself, so nodes that start together queue in that order without knowing each other.
func Delay(node, unit string, limit time.Duration) time.Duration {
	if limit <= 0 {
		return 0
	}
	share, _ := bits.Mul64(score(node, unit), uint64(limit))
	return time.Duration(share)
}

// score is a node's place in a unit's natural order: the lowest comes first. It is FNV-1a, with the finalizer of MurmurHash3
// to spread what differs in the last bytes alone.
func score(node, unit string) uint64 {
	h := uint64(14695981039346656037)
	for _, s := range []string{node, "\x00", unit} {
		for i := range len(s) {
			h = (h ^ uint64(s[i])) * 1099511628211
		}
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// Plan returns to whom the node me hands over one unit each. Of all that is to be moved in the whole cluster only the first
// limit moves are in the plan, whoever has to make them. The order of the nodes makes no difference.
func Plan(nodes []Node, me string, limit int) []string {
	over, under := imbalance(entitled(nodes), limit)
	var to []string
	for i := range over {
		if over[i] == me {
			to = append(to, under[i])
		}
	}
	return to
}

// imbalance lists who has to give and who is to get, one entry for each of the first units, as many as limit says at most. Both
// lists go round, so that no node comes twice before each that is as far off has come once.
func imbalance(nodes []Node, limit int) (over, under []string) {
	var more, fewer []surplus
	for _, n := range surpluses(nodes) {
		if n.units > 0 {
			more = append(more, n)
		} else {
			fewer = append(fewer, surplus{n.id, n.takes, -n.units})
		}
	}
	slices.Reverse(fewer) // who is furthest below its share is first
	return around(more, limit), around(fewer, limit)
}

// A surplus is what a node leads beyond its share.
type surplus struct {
	id    string
	takes bool // it may lead units at all
	units int
}

// surpluses returns those of all nodes, the highest first. Where the units can't be divided as the weights say, those that have
// more already may have one more, since nothing has to move then. Without any weight nobody is off.
func surpluses(nodes []Node) []surplus {
	var total, weights int
	for _, n := range nodes {
		total += n.Leads
		weights += n.Weight
	}
	if weights == 0 {
		return nil
	}
	left := total
	list := make([]surplus, 0, len(nodes))
	for _, n := range nodes {
		share := total * n.Weight / weights
		left -= share
		list = append(list, surplus{n.ID, n.Weight > 0, n.Leads - share})
	}
	order := func(a, b surplus) int { return cmp.Or(cmp.Compare(b.units, a.units), cmp.Compare(a.id, b.id)) }
	slices.SortFunc(list, order)
	for i := range list {
		if left > 0 && list[i].takes {
			list[i].units--
			left--
		}
	}
	slices.SortFunc(list, order)
	return list
}

// entitled returns the nodes with no weight for those beside which others have a higher priority.
func entitled(nodes []Node) []Node {
	nodes = slices.Clone(nodes)
	for i := range nodes {
		if slices.ContainsFunc(nodes, func(n Node) bool { return n.Priority > nodes[i].Priority }) {
			nodes[i].Weight = 0
		}
	}
	return nodes
}

// around lists each node as often as its number says, one of each at a time, up to limit.
func around(nodes []surplus, limit int) (list []string) {
	for len(nodes) > 0 {
		var rest []surplus
		for _, n := range nodes {
			if n.units == 0 {
				continue
			}
			if len(list) == limit {
				return list
			}
			list = append(list, n.id)
			rest = append(rest, surplus{n.id, n.takes, n.units - 1})
		}
		nodes = rest
	}
	return list
}

// Choose returns which unit goes to each of these nodes, one for each, where there is one that the node waits for. A unit for which
// it is the next comes first, since nobody has to make way for it; then one that has it first in its natural order.
func Choose(to []string, units []Unit) []Move {
	var moves []Move
	next := map[string][]Unit{}
	if len(to) > 0 {
		for _, u := range units {
			if len(u.Waiting) > 0 {
				next[u.Waiting[0]] = append(next[u.Waiting[0]], u)
			}
		}
	}
	taken := map[string]bool{}
	for _, node := range to {
		unit := best(node, next[node], taken) // almost always there is one, and these are few
		if unit == "" {
			unit = best(node, units, taken)
		}
		if unit != "" {
			taken[unit] = true
			moves = append(moves, Move{unit, node})
		}
	}
	return moves
}

// best returns which of the units, of those that are not taken, goes to the node; empty for none.
func best(node string, units []Unit, taken map[string]bool) (unit string) {
	var place int
	var rank uint64
	for _, u := range units {
		at := slices.Index(u.Waiting, node)
		if at < 0 || taken[u.Name] || unit != "" && at > place {
			continue
		}
		if r := score(node, u.Name); unit == "" || at < place || r < rank {
			unit, place, rank = u.Name, at, r
		}
	}
	return unit
}
