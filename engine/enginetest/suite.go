package enginetest

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

// atOnce is how many cases of a real-time engine run side by side. They mostly wait, so it may be well above the number of
// processors, which is where t.Parallel would stop.
const atOnce = 8

// A testCase proves one thing that must hold. Its name is that thing, as a sentence.
type testCase struct {
	name   string
	duties []int // of package engine
	run    func(*trial)
	alone  bool // it counts goroutines, which others would start meanwhile
}

// cases returns the whole law.
func cases() []testCase {
	return slices.Concat(sessionCases, endingCases, recordCases, harmCases, queueCases, watchCases, markCases, callCases)
}

// Run holds the engine to every duty of package engine. Each case gets a store of its own. A case that needs a hook that the
// harness does not have is skipped and says so.
//
// Cases run side by side, so a real-time engine with a TTL of 2 s is done within a minute. In a bubble the suite takes
// no time, and a goroutine that is left behind fails its case by itself.
func Run(t *testing.T, h Harness) {
	if h.NewStore == nil || h.TTL <= 0 {
		t.Fatalf("Harness: NewStore is set: %t, TTL %v: both are needed", h.NewStore != nil, h.TTL)
	}
	slots := make(chan struct{}, atOnce)
	var running sync.WaitGroup
	for _, c := range cases() {
		if c.alone {
			continue
		}
		running.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			runCase(t, h, c)
		})
	}
	running.Wait()
	for _, c := range cases() {
		if c.alone {
			runCase(t, h, c)
		}
	}
}

// runCase runs one case on a new store.
func runCase(t *testing.T, h Harness, c testCase) {
	t.Run(c.name, func(t *testing.T) {
		run := func(t *testing.T) {
			c.run(&trial{T: t, harness: h, store: h.NewStore(t), doomed: map[creation]bool{}})
		}
		if h.Bubble {
			synctest.Test(t, run)
			return
		}
		run(t)
	})
}
