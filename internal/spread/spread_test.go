package spread_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/singleton-go/singleton/internal/spread"
)

const (
	manyNodes = 100
	manyUnits = 10_000
	atOnce    = 8
)

func nodeIDs(n int) (ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprintf("node-%03d", i))
	}
	return ids
}

// A world is the queues of all units: the first of each leads.
type world struct {
	queues map[string][]string
	units  []string
	ids    []string
	limit  int // of moves at once
	moves  int
}

// newWorld makes the queues, each in the order that the function gives.
func newWorld(ids []string, units int, order func(unit string) []string) *world {
	w := &world{queues: map[string][]string{}, ids: ids, limit: atOnce}
	for i := range units {
		unit := fmt.Sprintf("worker/unit-%d", i)
		w.queues[unit] = order(unit)
		w.units = append(w.units, unit)
	}
	return w
}

// natural is the order in which nodes that start together queue.
func natural(ids []string) func(unit string) []string {
	return func(unit string) []string {
		delay := map[string]time.Duration{}
		for _, id := range ids {
			delay[id] = spread.Delay(id, unit, time.Hour)
		}
		return slices.SortedFunc(slices.Values(ids), func(a, b string) int { return int(delay[a] - delay[b]) })
	}
}

func (w *world) nodes() []spread.Node {
	leads := map[string]int{}
	for _, q := range w.queues {
		leads[q[0]]++
	}
	var nodes []spread.Node
	for _, id := range w.ids {
		nodes = append(nodes, spread.Node{ID: id, Weight: 1, Leads: leads[id]})
	}
	return nodes
}

func gap(nodes []spread.Node) int {
	low, high := nodes[0].Leads, nodes[0].Leads
	for _, n := range nodes {
		low, high = min(low, n.Leads), max(high, n.Leads)
	}
	return high - low
}

// decide returns what this node would hand over, by what these nodes lead.
func (w *world) decide(me string, seen []spread.Node) []spread.Move {
	to := spread.Plan(seen, me, w.limit)
	if len(to) == 0 {
		return nil
	}
	var own []spread.Unit
	for _, unit := range w.units {
		if q := w.queues[unit]; q[0] == me {
			own = append(own, spread.Unit{Name: unit, Waiting: q[1:]})
		}
	}
	return spread.Choose(to, own)
}

// move hands over: the wanted one leads, who was ahead of it queues again, and so does the old leader.
func (w *world) move(m spread.Move) {
	q := w.queues[m.Unit]
	at := slices.Index(q, m.To)
	next := append([]string{}, q[at:]...)
	w.queues[m.Unit] = append(append(next, q[1:at]...), q[0])
	w.moves++
}

// round lets every node decide by the same view, and then hands over.
func (w *world) round(t *testing.T) (moved int) {
	t.Helper()
	seen := w.nodes()
	var moves []spread.Move
	for _, id := range w.ids {
		moves = append(moves, w.decide(id, seen)...)
	}
	if len(moves) > w.limit {
		t.Fatalf("%d moves at once, want at most %d", len(moves), w.limit)
	}
	for _, m := range moves {
		w.move(m)
	}
	return len(moves)
}

// balance goes on until nothing moves, and returns how many rounds it took.
func (w *world) balance(t *testing.T) (rounds int) {
	t.Helper()
	for w.round(t) > 0 {
		if rounds++; rounds > 2*manyUnits/atOnce {
			t.Fatalf("not balanced after %d rounds: the gap is %d", rounds, gap(w.nodes()))
		}
	}
	if g := gap(w.nodes()); g > 1 {
		t.Fatalf("balanced with a gap of %d, want at most 1", g)
	}
	return rounds
}

// surplus is the least number of moves with which nobody leads more than its share.
func surplus(nodes []spread.Node) (n int) {
	total := 0
	for _, x := range nodes {
		total += x.Leads
	}
	shares := make([]int, len(nodes))
	for i := range total {
		shares[i%len(nodes)]++
	}
	slices.SortFunc(nodes, func(a, b spread.Node) int { return b.Leads - a.Leads })
	for i, x := range nodes {
		n += max(0, x.Leads-shares[i])
	}
	return n
}

func TestAllOnOneNode(t *testing.T) {
	t.Parallel()
	ids := nodeIDs(manyNodes)
	w := newWorld(ids, manyUnits, func(unit string) []string {
		return append([]string{ids[0]}, natural(ids[1:])(unit)...)
	})
	w.limit = 64 // the arithmetic of more rounds is the same
	least := surplus(w.nodes())
	rounds := w.balance(t)
	t.Logf("%d moves in %d rounds", w.moves, rounds)
	if w.moves != least {
		t.Errorf("%d moves, want the least: %d", w.moves, least)
	}
}

func TestStartedTogether(t *testing.T) {
	t.Parallel()
	ids := nodeIDs(manyNodes)
	w := newWorld(ids, manyUnits, natural(ids))
	worst := gap(w.nodes())
	least := surplus(w.nodes())
	rounds := w.balance(t)
	t.Logf("worst gap %d by queue order alone, then %d moves in %d rounds", worst, w.moves, rounds)
	if worst > manyUnits/manyNodes || w.moves != least {
		t.Errorf("a gap of %d, and %d moves; want at most %d, and %d", worst, w.moves, manyUnits/manyNodes, least)
	}
}

func TestNodeJoinsAndLeaves(t *testing.T) {
	t.Parallel()
	ids := nodeIDs(manyNodes)
	w := newWorld(ids[1:], manyUnits, natural(ids[1:]))
	w.balance(t)
	w.ids, w.moves = ids, 0
	for unit := range w.queues {
		w.queues[unit] = append(w.queues[unit], ids[0])
	}
	w.balance(t)
	if w.moves > manyUnits/manyNodes+1 {
		t.Errorf("%d moves for a node that joins, want its share: %d", w.moves, manyUnits/manyNodes)
	}
	w.ids, w.moves = ids[:manyNodes-1], 0
	gone := ids[manyNodes-1]
	for unit, q := range w.queues {
		w.queues[unit] = slices.DeleteFunc(q, func(id string) bool { return id == gone })
	}
	w.balance(t)
	if w.moves > manyUnits/manyNodes {
		t.Errorf("%d moves after one has left, want at most its share: %d", w.moves, manyUnits/manyNodes)
	}
}

func TestBalancedMovesNothing(t *testing.T) {
	t.Parallel()
	for _, leads := range [][]int{{}, {0}, {7}, {1, 0}, {1, 0, 0}, {3, 4, 3, 4}, {2, 2, 2}} {
		var nodes []spread.Node
		for i, n := range leads {
			nodes = append(nodes, spread.Node{ID: fmt.Sprint(i), Weight: 1, Leads: n})
		}
		for _, n := range nodes {
			if to := spread.Plan(nodes, n.ID, atOnce); len(to) > 0 {
				t.Errorf("%v: node %s hands over to %v, want to nobody", leads, n.ID, to)
			}
		}
	}
}

// TestStaleViews lets every node decide by a view of its own age, one at a time, while others' hand-overs are under way.
func TestStaleViews(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		ids := nodeIDs(30)
		w := newWorld(ids, 600, func(string) []string {
			q := slices.Clone(ids)
			rnd.Shuffle(3+rnd.IntN(27), func(i, j int) { q[i], q[j] = q[j], q[i] })
			return q
		})
		views := [][]spread.Node{w.nodes()}
		quiet := 0
		for step := 0; quiet < 10*len(ids); step++ {
			if step > 20_000 {
				t.Fatalf("seed %d: not balanced after %d steps: the gap is %d", seed, step, gap(w.nodes()))
			}
			seen := views[max(0, len(views)-1-rnd.IntN(6))]
			moves := w.decide(ids[rnd.IntN(len(ids))], seen)
			for _, m := range moves {
				w.move(m)
			}
			views = append(views, w.nodes())
			quiet++
			if len(moves) > 0 {
				quiet = 0
			}
		}
		if g := gap(w.nodes()); g > 1 {
			t.Errorf("seed %d: the gap is %d, want at most 1", seed, g)
		}
		t.Logf("seed %d: %d moves", seed, w.moves)
	}
}

func TestFlappingNodeMovesNothing(t *testing.T) {
	t.Parallel()
	const settle = 10 * time.Second
	stable := []spread.Node{{ID: "a", Weight: 1, Leads: 50}, {ID: "b", Weight: 1, Leads: 50}}
	var s spread.Settled
	now := time.Unix(0, 0)
	for second := range 600 {
		present := slices.Clone(stable)
		if second%12 < 9 {
			present = append(present, spread.Node{ID: "flaps", Weight: 1})
		}
		settled := s.Among(present, now.Add(time.Duration(second)*time.Second), settle)
		for _, me := range []string{"a", "b"} {
			if to := spread.Plan(settled, me, atOnce); len(to) > 0 {
				t.Fatalf("second %d: %s hands over to %v", second, me, to)
			}
		}
	}
	now = now.Add(time.Hour)
	joined := append(slices.Clone(stable), spread.Node{ID: "stays", Weight: 1})
	s.Among(joined, now, settle)
	if to := spread.Plan(s.Among(joined, now.Add(settle), settle), "a", atOnce); len(to) == 0 {
		t.Error("a node that stays gets nothing")
	}
}

func TestChoose(t *testing.T) {
	t.Parallel()
	units := []spread.Unit{
		{Name: "far", Waiting: []string{"a", "b"}},
		{Name: "near", Waiting: []string{"b", "a"}},
		{Name: "never", Waiting: []string{"a"}},
	}
	moves := spread.Choose([]string{"b", "b", "b", "c"}, units)
	want := []spread.Move{{Unit: "near", To: "b"}, {Unit: "far", To: "b"}}
	if !slices.Equal(moves, want) {
		t.Errorf("got %v, want %v", moves, want)
	}
}

func TestDelay(t *testing.T) {
	t.Parallel()
	if d := spread.Delay("a", "u", 0); d != 0 {
		t.Errorf("without a head start the delay is %v", d)
	}
	for i := range 1000 {
		if d := spread.Delay("a", fmt.Sprint(i), time.Second); d < 0 || d >= time.Second {
			t.Fatalf("delay %v, want less than 1s", d)
		}
	}
}
