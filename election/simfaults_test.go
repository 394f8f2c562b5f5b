package election_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/singleton-go/singleton/election"
	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/enginetest"
)

// An event is one fault, or one wish.
type event struct {
	at     time.Duration // since the beginning
	fault  string
	node   int           // to which one it happens
	leader bool          // rather to the leader, if there is one
	length time.Duration // for those that last
	other  int           // the one that is wished for
}

func (e event) String() string {
	who := fmt.Sprintf("node %d", e.node)
	if e.leader {
		who = "the leader, else " + who
	}
	return fmt.Sprintf("%10v %-14s %s, %v, other %d", e.at.Round(time.Millisecond), e.fault, who, e.length.Round(time.Millisecond), e.other)
}

// The names of the faults. Those that stand here more than once come more often.
var simFaults = []string{
	"kill", "restart", "pause", "pause", "cut", "cut requests", "cut requests", "cut answers", "late requests", "stall", "break watches",
	"reset watches", "dead watch", "slow", "slow then cut", "unreliable", "unreliable", "starve", "cut all", "restart store",
	"wish", "transfer", "transfer", "late deletes", "remove", "remove unseen", "forget",
}

func newEvent(rnd *rand.Rand, at time.Duration, nodes int) event {
	e := event{at: at, fault: simFaults[rnd.IntN(len(simFaults))], node: rnd.IntN(nodes), leader: rnd.IntN(3) > 0, other: rnd.IntN(nodes)}
	if e.fault == "forget" && rnd.IntN(4) > 0 { // a store that forgets ends all that was before
		e.fault = "kill"
	}
	e.length = simLength(rnd)
	return e
}

// simLength returns how long a fault lasts: 0.1 to 5 TTL, or just about one of the times at which something is decided.
func simLength(rnd *rand.Rand) time.Duration {
	t := simTiming
	sure := simStopLine + t.Drain + t.Margin
	edges := []time.Duration{t.TTL / 10, t.Renewal + t.CallTimeout, simStopLine, simStopLine + t.Drain, sure, t.TTL, t.TTL + t.TTL/10, 5 * t.TTL}
	if rnd.IntN(2) == 0 {
		near := time.Duration(rnd.Int64N(int64(t.TTL / 50)))
		return edges[rnd.IntN(len(edges))] + near - t.TTL/100
	}
	return t.TTL/10 + time.Duration(rnd.Int64N(int64(5*t.TTL-t.TTL/10)))
}

// harm does it.
func (w *world) harm(e event) {
	if l := w.book.leader(); e.leader && l != nil {
		for i, n := range w.nodes {
			if n == l.node {
				e.node = i
			}
		}
	}
	n, d := w.nodes[e.node], e.length
	switch e.fault {
	case "kill":
		n.kill()
		w.nodes[e.node] = w.start()
	case "restart":
		n.stop()
		w.nodes[e.node] = w.start()
	case "wish":
		n.ask(election.Wish{}, d)
	case "transfer":
		n.ask(election.Wish{To: w.nodes[e.other].lease.Session()}, d)
	case "remove unseen":
		w.during(d, n.conn.Stall())
		w.remove()
	case "remove":
		w.remove()
	case "forget":
		w.book.forgot()
		w.eng.Rewind()
	case "cut all", "restart store":
		for _, m := range w.nodes {
			w.during(d, m.conn.Cut())
			if e.fault == "restart store" {
				m.conn.BreakWatches(errors.New("the store is gone"))
			}
		}
	default:
		w.disturb(n, e.fault, d)
	}
}

// disturb does something to the connection of one node.
func (w *world) disturb(n *node, fault string, d time.Duration) {
	switch fault {
	case "pause":
		w.during(d, n.pause())
	case "cut":
		w.during(d, n.conn.Cut())
	case "cut answers":
		w.during(d, n.conn.Mute())
	case "late requests":
		w.during(d, n.conn.Hold())
	case "stall":
		w.during(d, n.conn.Stall())
	case "break watches":
		n.conn.BreakWatches(errors.New("broken"))
	case "reset watches":
		n.conn.ResetWatches()
	case "slow then cut":
		n.rule(d, w.fates("slow"))
		time.AfterFunc(d, func() { n.rule(2*simTiming.TTL, w.fates("cut requests")) })
	default:
		n.rule(d, w.fates(fault))
	}
}

// falls makes a fault that lasts.
func (n *node) falls(fault string) (recovers func()) {
	n.w.sick = true
	if fault == "stall" {
		return n.conn.Stall()
	}
	return n.conn.Mute()
}

// rule has something decide about the calls of this node for a while.
func (n *node) rule(d time.Duration, fate func(enginetest.Call) enginetest.Fate) {
	n.mu.Lock()
	defer n.mu.Unlock()
	select {
	case <-n.w.healed:
	default:
		n.rules = append(n.rules, rule{until: time.Now().Add(d), fate: fate})
	}
}

// fates returns what befalls single calls under this fault.
func (w *world) fates(fault string) func(enginetest.Call) enginetest.Fate {
	t := simTiming
	switch fault {
	case "cut requests": // what the store sends arrives
		return func(c enginetest.Call) enginetest.Fate { return enginetest.Fate{Dropped: c.Op != enginetest.OpUpdate} }
	case "dead watch":
		return func(c enginetest.Call) enginetest.Fate { return enginetest.Fate{Dropped: c.Op == enginetest.OpUpdate} }
	case "slow": // but in time, mostly
		return func(c enginetest.Call) enginetest.Fate {
			if c.Op == enginetest.OpUpdate {
				return enginetest.Fate{}
			}
			return enginetest.Fate{Reply: t.CallTimeout/2 + w.random(t.CallTimeout/2+t.CallTimeout/50)}
		}
	case "starve":
		return func(c enginetest.Call) enginetest.Fate {
			if c.Op != enginetest.OpRenew {
				return enginetest.Fate{}
			}
			return enginetest.Fate{Dropped: w.random(2) == 0, Reply: w.random(2 * t.TTL)}
		}
	case "late deletes":
		return func(c enginetest.Call) enginetest.Fate {
			if c.Op != enginetest.OpDelete || w.random(2) == 0 {
				return enginetest.Fate{}
			}
			return enginetest.Fate{Request: t.CallTimeout + w.random(2*t.TTL)}
		}
	default:
		return w.unreliable
	}
}

// unreliable delays calls up to two TTLs, and loses requests and replies.
func (w *world) unreliable(enginetest.Call) enginetest.Fate {
	t := simTiming
	switch w.random(7) {
	case 0:
		return enginetest.Fate{Lost: true}
	case 1:
		return enginetest.Fate{Dropped: true}
	case 2:
		return enginetest.Fate{Request: w.random(2 * t.TTL)}
	case 3:
		return enginetest.Fate{Reply: w.random(2 * t.TTL)}
	case 4:
		return enginetest.Fate{Reply: w.random(t.CallTimeout)}
	}
	return enginetest.Fate{}
}

// ask asks the leader for something, for a while.
func (n *node) ask(w election.Wish, d time.Duration) {
	n.stopped.Go(func() {
		ctx, cancel := context.WithTimeout(n.ctx, d)
		defer cancel()
		_ = election.New(n.lease, simName, n.name).Ask(ctx, w)
	})
}

// remove removes the record at the head of the queue, as a person may do it by hand.
func (w *world) remove() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	eng := w.eng.Connect()
	s, err := eng.Open(ctx, engine.SessionOptions{TTL: time.Minute})
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = s.Close(ctx) }()
	for u, err := range eng.Watch(ctx, engine.WatchOptions{Prefix: "election//t/singleton/"}) {
		if err == nil && len(u.Changes) > 0 {
			w.book.removed(u.Changes[0].Record.Created)
			err = s.Delete(ctx, u.Changes[0].Record)
		}
		if err != nil {
			w.t.Error(err)
		}
		return
	}
}

// during ends a fault after a while, or when all is healed.
func (w *world) during(d time.Duration, heal func()) {
	once := sync.OnceFunc(heal)
	w.heals = append(w.heals, once)
	time.AfterFunc(d, once)
}
