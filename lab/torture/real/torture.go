package real

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// torture does it all, and returns what came of it.
func torture(ctx context.Context, o Options, diag io.Writer) (*Result, error) {
	_, _ = fmt.Fprintf(diag, "torture: %d members of etcd, %d nodes, TTL %v, faults for %v, seed %d\n", o.Members, o.Nodes, o.TTL, o.For, o.Seed)
	c, err := openCluster(ctx, o)
	if err != nil {
		return nil, err
	}
	defer c.close()
	defer c.watchMachine()()
	if err := c.await(ctx, "not all have a leader", c.allLead); err != nil {
		return nil, err
	}
	window := span{Start: now()}
	faults, cancel := context.WithTimeout(ctx, o.For)
	defer cancel()
	if err := c.torment(faults, makePlan(o), diag); err != nil {
		return nil, err
	}
	// What is healed now must come to rest within the bound; that it did is part of what is checked.
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-time.After(boundAfterLoss(o.TTL)):
	}
	window.End = now()
	if err := errors.Join(c.failed(), c.stop()); err != nil {
		return nil, err
	}
	c.sinks.close()
	return judge(o, window, c.history), nil
}

// watchMachine notes when this process did not run, as no fault befalls it: then the machine did something else. It returns what
// ends that.
func (c *cluster) watchMachine() (end func()) {
	quit := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		stalls(quit, margin(c.options.TTL), func(late span) {
			c.history.with(func() { c.history.late = append(c.history.late, late) })
		})
	})
	return sync.OnceFunc(func() {
		close(quit)
		watching.Wait()
	})
}

func (c *cluster) allLead() bool {
	for _, name := range contenders {
		if _, ok := c.history.leader(name); !ok {
			return false
		}
	}
	return true
}
