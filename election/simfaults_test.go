package election_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/singleton-go/singleton/election"
	"github.com/singleton-go/singleton/engine/enginetest"
)

// harm does one thing to one node.
func (w *world) harm(rnd *rand.Rand) {
	i := rnd.IntN(len(w.nodes))
	if rnd.IntN(2) == 0 {
		i = w.leader(i)
	}
	n := w.nodes[i]
	d := time.Duration(rnd.Int64N(int64(30 * time.Second)))
	switch rnd.IntN(13) {
	case 0:
		n.kill()
		w.nodes[i] = w.start()
	case 1:
		n.stop()
		w.nodes[i] = w.start()
	case 2:
		w.during(d, n.conn.Cut())
	case 3:
		w.during(d, n.conn.Mute())
	case 4:
		w.during(d, n.conn.Stall())
	case 5:
		w.during(d, n.conn.Hold())
	case 6:
		n.conn.BreakWatches(errors.New("broken"))
	case 7:
		n.conn.ResetWatches()
	case 8, 9:
		n.conn.Decide(w.unreliable(d))
	case 10:
		for _, m := range w.nodes {
			w.during(d, m.conn.Cut())
		}
	case 11:
		n.ask(election.Wish{}, d)
	case 12:
		n.ask(election.Wish{To: w.nodes[rnd.IntN(len(w.nodes))].lease.Session()}, d)
	}
}

// ask asks the leader for something, for a while.
func (n *node) ask(w election.Wish, d time.Duration) {
	n.stopped.Go(func() {
		ctx, cancel := context.WithTimeout(n.ctx, d)
		defer cancel()
		_ = election.New(n.lease, simName, n.name).Ask(ctx, w)
	})
}

func (w *world) leader(i int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	for j, n := range w.nodes {
		if w.running[n] != 0 {
			return j
		}
	}
	return i
}

func (w *world) during(d time.Duration, heal func()) {
	once := sync.OnceFunc(heal)
	w.heals = append(w.heals, once)
	time.AfterFunc(d, once)
}

// unreliable delays calls up to two TTLs, and loses requests and replies, for a while.
func (w *world) unreliable(d time.Duration) func(enginetest.Call) enginetest.Fate {
	end := time.Now().Add(d)
	return func(enginetest.Call) enginetest.Fate {
		if time.Now().After(end) {
			return enginetest.Fate{}
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		switch w.chance.IntN(7) {
		case 0:
			return enginetest.Fate{Lost: true}
		case 1:
			return enginetest.Fate{Dropped: true}
		case 2:
			return enginetest.Fate{Request: time.Duration(w.chance.Int64N(int64(20 * time.Second)))}
		case 3:
			return enginetest.Fate{Reply: time.Duration(w.chance.Int64N(int64(20 * time.Second)))}
		case 4:
			return enginetest.Fate{Reply: time.Duration(w.chance.Int64N(int64(time.Second)))}
		}
		return enginetest.Fate{}
	}
}

// kill ends a process at this instant, as SIGKILL does: nothing of it runs any more, and the store is not told.
func (n *node) kill() {
	n.conn.Cut()
	n.w.mu.Lock()
	close(n.dead)
	delete(n.w.running, n)
	n.w.mu.Unlock()
	n.cancel()
	n.w.graves.Go(func() {
		n.stopped.Wait()
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_ = n.lease.Close(ended)
		n.conn.Close()
	})
}

// stop ends a process in a planned way.
func (n *node) stop() {
	n.cancel()
	n.w.graves.Go(func() {
		n.stopped.Wait()
		_ = n.lease.Close(context.Background())
		n.conn.Close()
	})
}

func (w *world) heal() {
	for _, heal := range w.heals {
		heal()
	}
	for _, n := range w.nodes {
		n.conn.Decide(nil)
	}
}
