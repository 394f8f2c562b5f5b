package singleton_test

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/engine/enginetest"
)

// How many calls of the store the units of a process cost. What one costs must not depend on how many there are.

// counts returns what tells how often the node has called the store since.
func (n *node) counts() (read func() map[enginetest.Op]int) {
	var mu sync.Mutex
	all := map[enginetest.Op]int{}
	n.conn.Decide(func(call enginetest.Call) enginetest.Fate {
		mu.Lock()
		defer mu.Unlock()
		all[call.Op]++
		return enginetest.Fate{}
	})
	return func() map[enginetest.Op]int {
		mu.Lock()
		defer mu.Unlock()
		return all
	}
}

func TestThousandWaitingUnitsCostNoTraffic(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		c.node("a", many(1000)...)
		b := c.node("b", many(1000)...)
		c.pass(time.Minute)
		calls := b.counts()
		c.pass(time.Hour)
		renewals := int(time.Hour / (ttl / 4))
		for op, n := range calls() {
			if op != enginetest.OpRenew && op != enginetest.OpUpdate || n > renewals+1 {
				c.Errorf("%d calls of %s in an hour, want a renewal and a mark each %v and nothing else", n, op, ttl/4)
			}
		}
	})
}

func TestEachUnitCostsTheSameCalls(t *testing.T) {
	t.Parallel()
	for _, units := range []int{10, 1000} {
		t.Run(strconv.Itoa(units), func(t *testing.T) {
			t.Parallel()
			inCluster(t, func(c *cluster) {
				n := c.prepare("a")
				calls := n.counts()
				n.run(many(units)...)
				c.pass(0)
				got := calls()
				if got[enginetest.OpCreate] != 2*units+2 {
					c.Errorf("%d records were created for %d units, want two each", got[enginetest.OpCreate], units)
				}
				if writes := got[enginetest.OpReplace]; writes > 2*units {
					c.Errorf("%d changes were written for %d units, want at most two each", writes, units)
				}
				if got[enginetest.OpDelete] > 0 {
					c.Errorf("%d records were deleted", got[enginetest.OpDelete])
				}
			})
		})
	}
}

// A takeover is no write of the successor's, but that each unit is shown to be ready.
func TestTakeoverOfManyUnitsWaitsForNoWrite(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		const units = 1000
		a := c.node("a", many(units)...)
		b := c.node("b", many(units)...)
		c.pass(time.Second)
		b.conn.Decide(func(call enginetest.Call) (f enginetest.Fate) {
			f.Dropped = call.Op == enginetest.OpReplace || call.Op == enginetest.OpCreate || call.Op == enginetest.OpDelete
			return f
		})
		a.stop()
		c.pass(0)
		for _, s := range b.rt.Status() {
			if s.State != singleton.Ready {
				c.Fatalf("%s is %v: it waits for the registry", s, s.State)
			}
		}
		b.conn.Decide(nil)
		c.pass(time.Minute)
		cluster, err := b.rt.Discovery().Cluster(c.Context())
		if err != nil {
			c.Fatal(err)
		}
		for _, w := range cluster.Workers {
			if w.State != singleton.Ready || w.Token == 0 {
				c.Fatalf("a minute later %s is shown as %v", w.Name, w.State)
			}
		}
	})
}

// A state that changes again before it was written is not written.
func TestChangesOfStateAreWrittenTogether(t *testing.T) {
	t.Parallel()
	inCluster(t, func(c *cluster) {
		n := c.node("a")
		calls := n.counts()
		release := n.conn.Hold()
		for range 100 {
			run := singleton.RunnerFunc(func(context.Context) error { return nil })
			if err := n.rt.Install(singleton.Replica("r", run)); err != nil {
				c.Fatal(err)
			}
			c.pass(0)
			if err := n.rt.Uninstall(c.Context(), "replica/r"); err != nil {
				c.Fatal(err)
			}
		}
		release()
		c.pass(time.Second)
		if got := calls(); got[enginetest.OpReplace] > 0 {
			c.Errorf("%v: states were written that were over", got)
		}
	})
}
