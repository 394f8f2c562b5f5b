package real

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// A member is one of etcd's.
type member struct {
	memberSpec
	*process
	ill bool // a fault is on it
}

// A node is one of those that take part.
type node struct {
	nodeSpec
	*process
	ill bool // a fault is on it
}

// A cluster is all processes, and what connects them.
type cluster struct {
	options Options
	janitor *janitor
	history *history
	sinks   *sinks
	network *network
	etcd    *monitor

	mu      sync.Mutex // of who is ill, and of the processes
	members []*member
	nodes   []*node
}

// limit is for starts, which take a second.
const limit = 30 * time.Second

func openCluster(ctx context.Context, o Options) (c *cluster, err error) {
	c = &cluster{options: o, history: newHistory()}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	if c.network, err = newNetwork(ctx, o); err != nil {
		return nil, err
	}
	if c.janitor, err = hireJanitor(); err != nil {
		return nil, err
	}
	if c.sinks, err = openSinks(ctx, filepath.Join(c.janitor.dir, "sinks"), c.history); err != nil {
		return nil, err
	}
	specs, err := memberSpecs(c.janitor.dir, o.Members)
	if err != nil {
		return nil, err
	}
	for _, s := range specs {
		m := &member{memberSpec: s}
		if m.process, err = c.janitor.start("member", s, false); err != nil {
			return nil, err
		}
		c.members = append(c.members, m)
	}
	// Until it is closed, since what a fault has done is healed also when ctx has ended.
	if c.etcd, err = watchEtcd(context.WithoutCancel(ctx), specs, c.history); err != nil {
		return nil, err
	}
	if err := c.await(ctx, "etcd has no leader", func() bool { return c.etcd.leader() != 0 }); err != nil {
		return nil, err
	}
	return c, c.openNodes(ctx, specs)
}

func (c *cluster) openNodes(ctx context.Context, specs []memberSpec) error {
	for i := range c.options.Nodes {
		name := string(rune('a' + i))
		endpoints, err := c.network.open(name, specs)
		if err != nil {
			return err
		}
		n := &node{nodeSpec: nodeSpec{Name: name, TTL: c.options.TTL, Endpoints: endpoints, Sink: c.sinks.path}}
		if err := c.startNode(ctx, n); err != nil {
			return err
		}
		c.nodes = append(c.nodes, n)
	}
	return nil
}

// startNode starts the process of a node, and joins it to etcd. Until then its calls fail, as those of a host that boots.
func (c *cluster) startNode(ctx context.Context, n *node) error {
	p, err := c.janitor.start("node", n.nodeSpec, c.network.wires)
	if err != nil {
		return err
	}
	n.process = p
	if !c.network.wires {
		return nil
	}
	return wire(ctx, n.Name, p.cmd.Process.Pid)
}

// await polls, for what has no event, until it is so.
func (c *cluster) await(ctx context.Context, failure string, so func() bool) error {
	for deadline := time.Now().Add(limit); !so(); {
		if err := c.failed(); err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return errors.New(failure)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// failed returns an error if a process has ended that nobody has ended.
func (c *cluster) failed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.members {
		if m.alone() {
			return fmt.Errorf("%s ended by itself: %s", m.Name, m.words.String())
		}
	}
	for _, n := range c.nodes {
		if n.alone() {
			return fmt.Errorf("node %s ended by itself: %s", n.Name, n.words.String())
		}
	}
	return nil
}

// stop lets all nodes end in order, and the rest at once.
func (c *cluster) stop() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.nodes {
		n.end(syscall.SIGTERM)
	}
	var err error
	timeout := time.After(limit)
	for _, n := range c.nodes {
		select {
		case <-n.done:
		case <-timeout:
			err = errors.Join(err, fmt.Errorf("node %s did not end when it was told to: %s", n.Name, n.words.String()))
		}
	}
	return err
}

// close leaves nothing behind.
func (c *cluster) close() {
	if c.etcd != nil {
		c.etcd.close()
	}
	c.network.close()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.nodes {
		n.end(syscall.SIGKILL)
		<-n.done
	}
	for _, m := range c.members {
		m.end(syscall.SIGKILL)
		<-m.done
	}
	if c.sinks != nil {
		c.sinks.close()
	}
	if c.janitor != nil {
		c.janitor.close()
	}
}
