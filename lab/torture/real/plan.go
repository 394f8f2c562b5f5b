package real

import (
	"math/rand/v2"
	"time"
)

// A kind of fault.
type kind string

const (
	kill        kind = "SIGKILL of a node"
	pause       kind = "SIGSTOP of a node"
	cut         kind = "node cut off"
	cutRequests kind = "requests cut off"
	cutAnswers  kind = "answers cut off"
	slow        kind = "slow answers"
	loseMember  kind = "etcd member killed"
	loseLeader  kind = "etcd leader killed"
	loseQuorum  kind = "etcd quorum killed"
)

// kinds are all of them, in the order of the report.
var kinds = []kind{kill, pause, cut, cutRequests, cutAnswers, slow, loseMember, loseLeader, loseQuorum}

// atEtcd says whether it befalls etcd rather than a node.
func (k kind) atEtcd() bool { return k == loseMember || k == loseLeader || k == loseQuorum }

// A step is a fault to come. Which node it befalls depends on who leads then, so a seed gives the same plan and not the same run.
type step struct {
	after  time.Duration // the step before
	kind   kind
	leader string // the contender whose leader it befalls; empty: another node
	node   int    // where to begin to look for one, if it is to be another
	length time.Duration
	delay  time.Duration // of each answer
}

// The time from one fault to the next; several of them go on for longer.
const (
	shortest = 3 * time.Second
	longest  = 6 * time.Second
)

// makePlan draws the faults of a run.
func makePlan(o Options) []step {
	random := rand.New(rand.NewPCG(o.Seed, 0))
	upTo := func(low, high time.Duration) time.Duration {
		return low + time.Duration(random.Int64N(int64(high-low)+1))
	}
	var plan []step
	for at := time.Duration(0); ; {
		s := step{after: upTo(shortest, longest), node: random.IntN(o.Nodes)}
		if at += s.after; at > o.For {
			return plan
		}
		s.kind = draw(random, o.Members)
		if random.IntN(5) > 0 { // those who wait have little to lose
			s.leader = contenders[random.IntN(len(contenders))]
		}
		switch s.kind {
		case kill:
			s.length = upTo(500*time.Millisecond, 3*time.Second)
		case loseMember, loseLeader, loseQuorum:
			s.length = upTo(time.Second, 4*time.Second)
		case pause:
			s.length = upTo(o.TTL/2, 4*o.TTL)
		default:
			s.length, s.delay = upTo(o.TTL/2, 4*o.TTL), upTo(o.TTL/40, 2*o.TTL)
		}
		plan = append(plan, s)
	}
}

// draw draws a kind: one in five befalls etcd.
func draw(random *rand.Rand, members int) kind {
	switch {
	case random.IntN(5) > 0:
		return []kind{kill, kill, pause, pause, pause, cut, cutRequests, cutAnswers, slow}[random.IntN(9)]
	case members == 1:
		return loseQuorum
	default:
		return []kind{loseMember, loseLeader, loseQuorum}[random.IntN(3)]
	}
}
