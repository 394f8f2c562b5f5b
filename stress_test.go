package singleton_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/engine/enginetest"
	"github.com/singleton-go/singleton/engine/ramengine"
)

// Everything at once, in virtual time: processes come and go, units are installed and uninstalled, runners break in every way
// that heeds their contexts, people wish, and the way to the store fails. A seed fixes what is done when, not the interleaving
// of what happens at one instant.

var stressSeeds = flag.Uint64("stress.seeds", 8, "how many schedules of stress to run")

const (
	stressTime  = 10 * time.Minute
	stressNodes = 4
)

var stressUnits = []string{"worker/a", "worker/b", "service/a", "replica/a"}

func TestUnderStressNothingRunsTwiceAndEveryStartupIsShutDown(t *testing.T) {
	t.Parallel()
	for seed := range *stressSeeds {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { stress(t, seed) })
		})
	}
}

// A stressed is a cluster under stress.
type stressed struct {
	*cluster
	units sync.WaitGroup // people who install, uninstall and wish
	heals []func()

	chance struct {
		sync.Mutex
		*rand.Rand
	}
	book struct {
		sync.Mutex
		terms, started, shut int
		busy                 map[string]bool // runners between Startup and the end of Shutdown
	}
}

func stress(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	store, err := ramengine.NewWith(ramengine.Options{ClockRate: 0.92 + 0.16*rnd.Float64()})
	if err != nil {
		t.Fatal(err)
	}
	s := &stressed{cluster: &cluster{T: t, store: store, start: time.Now(), runs: map[string]string{}, token: map[string]uint64{}}}
	s.chance.Rand = rand.New(rand.NewPCG(seed, 2))
	s.book.busy = map[string]bool{}
	for range stressNodes {
		s.join()
	}
	for s.now() < stressTime {
		time.Sleep(time.Duration(rnd.Int64N(int64(3 * time.Second))))
		s.happens(rnd)
	}
	for _, heal := range s.heals {
		heal()
	}
	s.mustRecover()
	for _, n := range s.nodes {
		n.tell()
	}
	for _, n := range s.nodes {
		<-n.over
		n.conn.Close()
	}
	s.units.Wait()
	time.Sleep(2 * ttl) // sessions whose processes could not say goodbye
	s.mustBeOver()
}

// join starts a process with all units.
func (s *stressed) join() {
	n := s.prepare(fmt.Sprintf("n%d", len(s.nodes)))
	var units []singleton.Unit
	for _, name := range stressUnits {
		units = append(units, s.unit(n, name))
	}
	n.run(units...)
}

// happens does one thing to one process.
func (s *stressed) happens(rnd *rand.Rand) {
	i := len(s.nodes) - 1 - rnd.IntN(stressNodes)
	n, unit := s.nodes[i], stressUnits[rnd.IntN(len(stressUnits))]
	d := time.Duration(rnd.Int64N(int64(25 * time.Second)))
	switch rnd.IntN(14) {
	case 0, 1:
		n.tell()
		s.join()
	case 2, 3, 4:
		s.units.Go(func() { s.reinstall(n, unit, d/5) })
	case 5:
		s.units.Go(func() { s.reinstall(n, unit, 0); s.reinstall(n, unit, 0) })
	case 6, 7:
		to := s.nodes[rnd.IntN(len(s.nodes))].name
		s.units.Go(func() { s.wish(n, unit, to) })
	case 8:
		s.during(d, n.conn.Cut())
	case 9:
		s.during(d, n.conn.Mute())
	case 10:
		s.during(d, n.conn.Stall())
	case 11:
		s.during(d, n.conn.Hold())
	case 12:
		s.during(d, n.conn.Refuse(errors.New("refused")))
	case 13:
		n.conn.Decide(s.unreliable(d))
	}
}

func (s *stressed) during(d time.Duration, heal func()) {
	s.heals = append(s.heals, heal)
	time.AfterFunc(d, heal)
}

// unreliable loses and delays calls for a while.
func (s *stressed) unreliable(d time.Duration) func(enginetest.Call) enginetest.Fate {
	end := time.Now().Add(d)
	return func(enginetest.Call) (f enginetest.Fate) {
		if time.Now().After(end) {
			return f
		}
		switch s.dice(6) {
		case 0:
			f.Lost = true
		case 1:
			f.Dropped = true
		case 2:
			f.Request = s.random(20 * time.Second)
		case 3:
			f.Reply = s.random(2 * time.Second)
		}
		return f
	}
}

// reinstall uninstalls a unit, waits for that at most so long, and installs it again if it can.
func (s *stressed) reinstall(n *node, unit string, patience time.Duration) {
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	_ = n.rt.Uninstall(ctx, unit) // it may be on its way out, and so may the process
	_ = n.rt.Install(s.unit(n, unit))
}

func (s *stressed) wish(n *node, unit, to string) {
	d := n.rt.Discovery()
	if d == nil {
		return
	}
	ctx, cancel := context.WithTimeout(s.Context(), s.random(20*time.Second))
	defer cancel()
	if s.dice(2) == 0 {
		_ = d.Resign(ctx, unit) // nobody may lead
		return
	}
	_ = d.Transfer(ctx, unit, to) // nor need that process live
}

func (s *stressed) dice(n int) int {
	s.chance.Lock()
	defer s.chance.Unlock()
	return s.chance.IntN(n)
}

func (s *stressed) random(limit time.Duration) time.Duration {
	s.chance.Lock()
	defer s.chance.Unlock()
	return time.Duration(s.chance.Int64N(int64(limit)))
}

func (s *stressed) unit(n *node, name string) singleton.Unit {
	r := &tortured{s: s, who: n.name + " " + name}
	o := singleton.WithBackoff(100*time.Millisecond, 10*time.Second)
	switch name {
	case "replica/a":
		return singleton.Replica("a", r, o)
	case "service/a":
		return singleton.Service("a", r, o)
	case "worker/a":
		return singleton.Worker("a", r, o, singleton.WithTakeoverDelay(3*time.Second))
	}
	return singleton.Worker("b", r, o)
}

// A tortured runner does everything that a runner may do, and returns within its budget.
type tortured struct {
	s   *stressed
	who string
}

// Startup implements [singleton.Starter].
func (r *tortured) Startup(ctx context.Context) error {
	r.s.begins(r.who, ctx)
	r.pause(ctx, 2*time.Second, drain/8)
	err := errors.New("broken")
	switch r.s.dice(8) {
	case 0:
	case 1:
		r.s.ends(r.who, ctx)
		panic("broken")
	default:
		err = nil
	}
	if err != nil {
		r.s.ends(r.who, ctx)
		return err
	}
	r.s.book.Lock()
	defer r.s.book.Unlock()
	r.s.book.started++
	return nil
}

// Run implements [singleton.Runner].
func (r *tortured) Run(ctx context.Context) error {
	if _, ok := singleton.TermFrom(ctx); ok {
		_ = singleton.Publish(ctx, singleton.Endpoint{Protocol: "tcp", Address: r.who}) // a worker can't
	}
	lifetime := time.Hour
	what := r.s.dice(12)
	if what < 6 {
		lifetime = r.s.random(time.Minute)
	}
	r.pause(ctx, lifetime, drain/2)
	switch what {
	case 0:
		return nil
	case 1:
		panic("broken")
	case 2:
		runtime.Goexit()
	}
	return errors.Join(context.Cause(ctx), errors.New("broken"))
}

// Shutdown implements [singleton.Stopper].
func (r *tortured) Shutdown(ctx context.Context, _ error) error {
	r.pause(ctx, drain/4, 0)
	r.s.book.Lock()
	r.s.book.shut++
	r.s.book.Unlock()
	r.s.ends(r.who, ctx)
	if r.s.dice(4) == 0 {
		panic("broken")
	}
	return nil
}

// pause lets up to this time pass, and when ctx ends earlier up to the other.
func (r *tortured) pause(ctx context.Context, limit, late time.Duration) {
	select {
	case <-time.After(r.s.random(limit)):
	case <-ctx.Done():
		if late > 0 {
			time.Sleep(r.s.random(late))
		}
	}
}

// begins and ends keep the book of who runs.

func (s *stressed) begins(who string, ctx context.Context) { //nolint:revive // the runner is the subject
	if term, ok := singleton.TermFrom(ctx); ok {
		s.enter(who, term)
	}
	s.book.Lock()
	defer s.book.Unlock()
	s.book.terms++
	if s.book.busy[who] {
		s.Errorf("%v: %s begins beside itself", s.now(), who)
	}
	s.book.busy[who] = true
}

func (s *stressed) ends(who string, ctx context.Context) { //nolint:revive // the runner is the subject
	if term, ok := singleton.TermFrom(ctx); ok {
		s.exit(term)
	}
	s.book.Lock()
	defer s.book.Unlock()
	delete(s.book.busy, who)
}

// mustRecover waits until each unit has been ready somewhere, now that nothing fails any more but runners.
func (s *stressed) mustRecover() {
	for _, n := range s.nodes {
		n.conn.Decide(nil)
	}
	for _, unit := range stressUnits {
		_ = s.nodes[len(s.nodes)-1].rt.Install(s.unit(s.nodes[len(s.nodes)-1], unit)) // unless it is there
		deadline := time.Now().Add(5 * time.Minute)
		for !s.ready(unit) {
			if time.Now().After(deadline) {
				s.Errorf("%s is ready nowhere", unit)
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
}

func (s *stressed) ready(unit string) bool {
	for _, n := range s.nodes {
		for _, st := range n.rt.Status() {
			if st.String() == unit && st.State == singleton.Ready {
				return true
			}
		}
	}
	return false
}

// mustBeOver checks what is left.
func (s *stressed) mustBeOver() {
	synctest.Wait()
	if b := &s.book; b.started != b.shut || len(b.busy) > 0 {
		s.Errorf("%d were started and %d shut down; still running: %v", b.started, b.shut, b.busy)
	}
	if left := s.records(); len(left) > 0 {
		s.Errorf("left in the store: %v", left)
	}
	for _, n := range s.nodes {
		for _, st := range n.rt.Status() {
			if st.State != singleton.Stopped {
				s.Errorf("%s: %+v after Run has returned", n.name, st)
			}
		}
	}
	if s.book.terms < 100 {
		s.Errorf("only %d terms: the schedule tests nothing", s.book.terms)
	}
}
