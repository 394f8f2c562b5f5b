package singleton

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/election"
	"github.com/singleton-go/singleton/internal/spread"
)

// movesAtOnce is how many units change their place at the same time for the sake of an even spread: in the whole cluster, as
// far as all processes see the same.
const movesAtOnce = 8

// choices is among how many units of this process those that move are chosen, so that a move costs no more the more units there are.
const choices = 64 * movesAtOnce

func (c Config) checkShare() error {
	switch {
	case c.Weight < 0 || c.Weight > discovery.MaxWeight:
		return fmt.Errorf("Weight %d: must be 1 to %d", c.Weight, discovery.MaxWeight)
	case c.Weight > 0 && !c.Spread:
		return fmt.Errorf("Weight %d: needs Spread", c.Weight)
	case c.Priority != 0 && !c.Spread:
		return fmt.Errorf("Priority %d: needs Spread", c.Priority)
	}
	return nil
}

// begins lets the unit enter: at once; or where units are spread, after a head start of the processes that come before this one
// in the unit's own order; or never.
func (in *instance) begins() {
	c := in.rt.config
	if in.unit.kind == replica || !c.NeverLead && !c.Spread {
		in.enter()
		return
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.held = true
	if c.NeverLead {
		return
	}
	in.set(Pending)
	time.AfterFunc(spread.Delay(in.rt.d.NodeID(), in.name, c.Timing.CallTimeout), in.released)
}

// released ends the head start of others. A unit that was told to stop meanwhile is held no longer.
func (in *instance) released() {
	in.mu.Lock()
	held := in.held
	in.held = false
	in.mu.Unlock()
	if held {
		in.enter()
	}
}

// leads says whether the unit is at work here, and what it takes at most to stop it.
func (in *instance) leads() (grace time.Duration, ok bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.run == nil || in.run.term.Token() == 0 || in.state != Ready {
		return 0, false
	}
	return in.run.grace(), true
}

// startSpreading lets this process take its part in an even spread, until it is stopped. It needs mu.
func (rt *Runtime) startSpreading() error {
	c := rt.config
	if !c.Spread || c.NeverLead {
		return nil
	}
	takeBack, err := rt.d.Share(c.Weight, c.Priority)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(rt.ctx)
	rt.stopSpreading = func() {
		takeBack()
		cancel()
	}
	s := spreader{rt: rt, d: rt.d, avoid: map[string]time.Time{}}
	rt.live.Go(func() { s.spread(ctx) })
	return nil
}

// A spreader hands over what this process leads beyond its share.
type spreader struct {
	rt    *Runtime
	d     *discovery.Discovery
	seen  spread.Settled
	avoid map[string]time.Time // units that could not be handed over, and until when they stay
}

// spread hands units over until ctx ends. It looks now and then, and not at every change: most changes are no reason to move
// anything, and those that are may wait.
func (s *spreader) spread(ctx context.Context) {
	tick := time.NewTicker(s.rt.config.Timing.CallTimeout)
	defer tick.Stop()
	for ctx.Err() == nil {
		if s.round(ctx) {
			continue
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// round makes this process's part of the moves, and waits for them. It says whether any has come about.
func (s *spreader) round(ctx context.Context) (moved bool) {
	moves := s.decide(time.Now())
	errs := make([]error, len(moves))
	var all sync.WaitGroup
	for i, m := range moves {
		all.Go(func() { errs[i] = s.move(ctx, m) })
	}
	all.Wait()
	for i, m := range moves {
		moved = moved || errs[i] == nil
		if errs[i] != nil && ctx.Err() == nil {
			s.rt.log.Warn("unit not handed over for an even spread", "unit", m.Unit, "to", m.To, "err", errs[i])
			s.avoid[m.Unit] = time.Now().Add(s.rt.config.Timing.TTL)
		}
	}
	return moved
}

// decide returns what this process is to hand over.
func (s *spreader) decide(now time.Time) []spread.Move {
	var present []spread.Node
	for _, n := range s.d.Shares() {
		present = append(present, spread.Node{ID: n.Session, Weight: n.Weight, Priority: n.Priority, Leads: n.Leads})
	}
	to := spread.Plan(s.seen.Among(present, now, s.rt.config.Timing.TTL), s.d.Session(), movesAtOnce)
	if len(to) == 0 {
		return nil
	}
	var units []spread.Unit
	for _, in := range s.rt.snapshot() { // in another order each time
		if len(units) == choices {
			break
		}
		if _, ok := in.leads(); !ok || now.Before(s.avoid[in.name]) {
			continue
		}
		delete(s.avoid, in.name)
		units = append(units, spread.Unit{Name: in.name, Waiting: s.d.Election(in.name).Waiting()})
	}
	return spread.Choose(to, units)
}

var errEndedAlready = errors.New("does not lead any more")

// move asks this process itself to hand a unit over, and waits until the other one leads. A runner that is stuck is not waited
// for longer than its budget and one TTL.
func (s *spreader) move(ctx context.Context, m spread.Move) error {
	s.rt.mu.Lock()
	in := s.rt.units[m.Unit]
	s.rt.mu.Unlock()
	if in == nil {
		return errEndedAlready
	}
	grace, ok := in.leads()
	if !ok {
		return errEndedAlready
	}
	ctx, cancel := context.WithTimeout(ctx, grace+s.rt.config.Timing.TTL)
	defer cancel()
	s.rt.log.Debug("unit handed over for an even spread", "unit", m.Unit, "to", m.To)
	return s.d.Election(m.Unit).Ask(ctx, election.Wish{To: m.To})
}
