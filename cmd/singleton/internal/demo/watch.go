package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/singleton-go/singleton/discovery"
)

// errLate says that something has not come.
var errLate = errors.New("too late")

// errOrphan ends a play that only its own end could end.
var errOrphan = errors.New("the 'go run' that started this has ended")

// How often the picture is drawn anew while nothing happens.
const frame = 100 * time.Millisecond

// expect waits for something that must come.
func (p *play) expect(ctx context.Context, what string, done func() bool) error {
	err := p.await(ctx, p.limit, done)
	if errors.Is(err, errLate) {
		return fmt.Errorf("no %s within %v", what, p.limit)
	}
	return err
}

// rest gives people the time to look.
func (p *play) rest(ctx context.Context) error {
	err := p.await(ctx, p.rests, func() bool { return false })
	if errors.Is(err, errLate) {
		return nil
	}
	return err
}

// await shows what happens, until done says that it is enough. It fails when ctx ends, when a node ends or the stage fails unasked,
// and with errLate after the limit.
func (p *play) await(ctx context.Context, limit time.Duration, done func() bool) error {
	late := time.NewTimer(limit)
	defer late.Stop()
	next := time.NewTicker(frame)
	defer next.Stop()
	for {
		p.report.show(p.view())
		if err := p.mishap(); err != nil {
			return err
		}
		if done() {
			return nil
		}
		select {
		case c, ok := <-p.clusters:
			if !ok {
				return errors.New("the observer of the cluster has ended")
			}
			p.cluster = c
			p.tellUnits()
		case <-p.sink.changed:
		case <-next.C:
		case <-p.stage.failed():
			return p.stage.why()
		case <-late.C:
			return errLate
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// mishap says whether somebody has ended who should not.
func (p *play) mishap() error {
	if p.parent != 0 && os.Getppid() != p.parent {
		return errOrphan
	}
	for _, n := range p.cast {
		if (n.state == running || n.state == paused) && isClosed(n.ended()) {
			return fmt.Errorf("%s ended by itself: %w", n.name, n.err())
		}
	}
	return nil
}

// What follows is what discovery shows, and nothing else.

// leader returns the name of the node that leads an election, and its token.
func (p *play) leader(election string) (string, uint64) {
	e, _ := p.cluster.Election(election)
	return e.Leader.Node, e.Leader.Token
}

// queued says whether a node leads or waits in all elections.
func (p *play) queued(node string) bool {
	for _, name := range elections {
		e, _ := p.cluster.Election(name)
		in := e.Leader.Node == node
		for _, c := range e.Waiting {
			in = in || c.Node == node
		}
		if !in {
			return false
		}
	}
	return true
}

// steady says whether every election has a leader whose effects are accepted.
func (p *play) steady() bool {
	for _, name := range elections {
		if _, token := p.leader(name); token == 0 || p.sink.tally(name).newest != token {
			return false
		}
	}
	return true
}

// A cell is what is seen of a unit. The zero cell is one of which nothing is seen.
type cell struct {
	state discovery.State
	token uint64
}

func (c cell) String() string {
	if c.token == 0 {
		return c.name()
	}
	return fmt.Sprintf("%s, token %d", c.name(), c.token)
}

func (c cell) name() string {
	if c.state == 0 {
		return "-"
	}
	return c.state.String()
}

// units are those of one node, in the order of elections.
type units [len(elections)]cell

// seen returns the units of all nodes.
func (p *play) seen() map[string]units {
	all := map[string]units{}
	for _, kind := range [][]discovery.Instance{p.cluster.Workers, p.cluster.Services} {
		for _, u := range kind {
			if i := slices.Index(elections[:], string(u.Kind)+"/"+u.Name); i >= 0 {
				of := all[u.Node]
				of[i] = cell{u.State, u.Token}
				all[u.Node] = of
			}
		}
	}
	return all
}

// tellUnits tells what has changed.
func (p *play) tellUnits() {
	seen := p.seen()
	for _, n := range p.cast {
		now := seen[n.name]
		if now == n.told {
			continue
		}
		n.told = now
		e, words := event{Event: "node", Node: n.name, Units: map[string]unitEvent{}}, make([]string, 0, len(now))
		for i, c := range now {
			if c.state != 0 {
				e.Units[elections[i]] = unitEvent{c.state.String(), c.token}
				words = append(words, fmt.Sprintf("%s %v", elections[i], c))
			}
		}
		if len(words) == 0 {
			words = []string{"no longer seen"}
		}
		p.report.detail(p.stamped(e), n.name+": "+strings.Join(words, "; "))
	}
}

// A view is the situation at one moment.
type view struct {
	rows  []viewRow
	lanes []lane
}

type viewRow struct {
	node, state string
	pid         int
	units       units
}

// A lane is one election: who leads, and what the sink knows of it.
type lane struct {
	election, leader string
	token            uint64
	tally
	idle time.Duration // since the last accepted effect
}

func (p *play) view() view {
	var v view
	seen := p.seen()
	for _, n := range p.cast {
		if n.state != replaced {
			v.rows = append(v.rows, viewRow{node: n.name, state: n.state, pid: p.pid(n.name), units: seen[n.name]})
		}
	}
	at := p.sink.now()
	for _, name := range elections {
		t := p.sink.tally(name)
		leader, token := p.leader(name)
		v.lanes = append(v.lanes, lane{name, leader, token, t, at - t.last})
	}
	return v
}

// pid is what a node says of itself, 0 where it isn't seen.
func (p *play) pid(name string) int {
	for _, n := range p.cluster.Nodes {
		if n.Name == name {
			return n.PID
		}
	}
	return 0
}

func (p *play) player(name string) *player {
	for _, n := range p.cast {
		if n.name == name {
			return n
		}
	}
	return nil
}

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}
