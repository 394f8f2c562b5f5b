package etcdtest_test

import (
	"context"
	"maps"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/engine/etcdengine"
	"github.com/singleton-go/singleton/engine/etcdengine/etcdtest"
)

const spreadUnits = 100

// A shift is who works on which unit. None may be worked on by two.
type shift struct {
	t    *testing.T
	mu   sync.Mutex
	busy map[string]string
}

func (s *shift) work(ctx context.Context, node string) error {
	term, _ := singleton.TermFrom(ctx)
	unit := term.Election()
	s.mu.Lock()
	if other, ok := s.busy[unit]; ok {
		s.t.Errorf("%s begins %s while %s works on it", node, unit, other)
	}
	s.busy[unit] = node
	s.mu.Unlock()
	<-ctx.Done()
	s.mu.Lock()
	delete(s.busy, unit)
	s.mu.Unlock()
	return nil
}

// join starts a process that runs all units; stop stops it.
func (s *shift) join(m *etcdtest.Member, node string) (stop func()) {
	s.t.Helper()
	rt, err := singleton.New(etcdengine.New(dial(s.t, m, nil)), singleton.Config{
		Prefix: prefix, Node: node, Timing: discovery.Timing{TTL: 4 * time.Second}, Spread: true,
	})
	try(s.t, err)
	var all []singleton.Unit
	for i := range spreadUnits {
		runner := singleton.RunnerFunc(func(ctx context.Context) error { return s.work(ctx, node) })
		all = append(all, singleton.Worker("unit-"+strconv.Itoa(i), runner))
	}
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- rt.Run(ctx, all...) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-over; err != nil {
			s.t.Errorf("%s: %v", node, err)
		}
	})
	s.t.Cleanup(stop)
	return stop
}

// awaitSpread waits until the units of a cluster are led by so many nodes, which lead the same number, give or take one.
func awaitSpread(t *testing.T, m *etcdtest.Member, nodes int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	led := map[string]int{}
	for c, err := range open(t, m, discovery.Config{Observer: true}).Observe(ctx) {
		try(t, err)
		clear(led)
		total, low, high := 0, spreadUnits, 0
		for _, e := range c.Elections {
			if e.Leader != (discovery.Candidate{}) {
				led[e.Leader.Session]++
			}
		}
		for n := range maps.Values(led) {
			total, low, high = total+n, min(low, n), max(high, n)
		}
		if len(led) == nodes && total == spreadUnits && high-low <= 1 {
			return
		}
	}
	t.Fatalf("the nodes lead %v, want %d units spread over %d nodes", led, spreadUnits, nodes)
}

func TestUnitsSpreadOverFiveNodes(t *testing.T) {
	t.Parallel()
	m := start(t)
	s := &shift{t: t, busy: map[string]string{}}
	s.join(m, "0")
	awaitSpread(t, m, 1)
	s.join(m, "1")
	s.join(m, "2")
	stop := s.join(m, "3")
	s.join(m, "4")
	awaitSpread(t, m, 5)
	stop()
	awaitSpread(t, m, 4)
}
