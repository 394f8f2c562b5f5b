package real

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"syscall"
	"time"
)

// torment makes the faults of a plan. When ctx ends it heals what is left of them, and returns.
func (c *cluster) torment(ctx context.Context, plan []step, diag io.Writer) error {
	var healers sync.WaitGroup
	errs := make(chan error, len(plan))
	started := time.Now()
	for _, s := range plan {
		select {
		case <-time.After(s.after):
		case <-ctx.Done():
		}
		if ctx.Err() != nil || c.failed() != nil {
			break
		}
		heal, i := c.strike(ctx, s)
		if heal == nil {
			continue // whoever it was meant for suffers already
		}
		_, _ = fmt.Fprintf(diag, "%6.1f s  %s: %s for %.1f s\n", time.Since(started).Seconds(), s.kind,
			strings.Join(c.history.incidents[i].Targets, ", "), s.length.Seconds())
		healers.Go(func() {
			select {
			case <-time.After(s.length):
			case <-ctx.Done():
			}
			errs <- heal()
			c.history.with(func() { c.history.incidents[i].End = now() })
		})
	}
	<-ctx.Done()
	healers.Wait()
	close(errs)
	err := c.failed()
	for e := range errs {
		err = errors.Join(err, e)
	}
	return err
}

// strike makes one fault, and returns what heals it, and its place among the incidents; or nil if there is nobody to befall.
func (c *cluster) strike(ctx context.Context, s step) (heal func() error, incident int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.kind.atEtcd() {
		return c.strikeEtcd(s)
	}
	n := c.choose(s)
	if n == nil {
		return nil, 0
	}
	n.ill = true
	undo, failure := c.strikeNode(context.WithoutCancel(ctx), n, s)
	return func() error {
		err := failure
		if err == nil {
			err = undo()
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		n.ill = false
		return err
	}, c.happens(s, n.Name)
}

// happens notes that a fault was made.
func (c *cluster) happens(s step, targets ...string) (i int) {
	c.history.with(func() {
		i = len(c.history.incidents)
		c.history.incidents = append(c.history.incidents, incident{span{now(), 0}, s.kind, targets, int64(s.delay)})
	})
	return i
}

// choose finds a healthy node for a fault, as long as most stay healthy.
func (c *cluster) choose(s step) *node {
	ill := 0
	for _, n := range c.nodes {
		if n.ill {
			ill++
		}
	}
	if ill >= max(1, (len(c.nodes)-1)/2) {
		return nil
	}
	if name, ok := c.history.leader(s.leader); ok {
		for _, n := range c.nodes {
			if n.Name == name && !n.ill {
				return n
			}
		}
	}
	for i := range c.nodes {
		if n := c.nodes[(s.node+i)%len(c.nodes)]; !n.ill {
			return n
		}
	}
	return nil
}

// strikeNode befalls a node; it is called with the lock held, and what it returns is not.
func (c *cluster) strikeNode(ctx context.Context, n *node, s step) (heal func() error, err error) {
	switch s.kind {
	case kill:
		at := now()
		n.end(syscall.SIGKILL)
		<-n.done
		c.history.died(n.Name, n.Life, at)
		return func() error { return c.revive(ctx, n) }, nil
	case pause:
		if err := n.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			return nil, err
		}
		at := now()
		return func() error {
			c.history.with(func() { c.history.stopped[n.Name] = append(c.history.stopped[n.Name], span{at, now()}) })
			return n.cmd.Process.Signal(syscall.SIGCONT)
		}, nil
	default:
		return c.network.strike(ctx, n.Name, s)
	}
}

// revive starts a node anew.
func (c *cluster) revive(ctx context.Context, n *node) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	n.Life++
	return c.startNode(ctx, n)
}

// strikeEtcd kills members; it is called with the lock held, and what it returns is not.
func (c *cluster) strikeEtcd(s step) (heal func() error, incident int) {
	var victims []int
	for k := range c.members {
		i := (s.node + k) % len(c.members)
		if c.members[i].ill {
			return nil, 0
		}
		if s.kind == loseQuorum && len(victims) <= len(c.members)/2 || len(victims) == 0 && c.etcd.leads(i) == (s.kind == loseLeader) {
			victims = append(victims, i)
		}
	}
	if len(victims) == 0 || c.etcd.leader() == 0 {
		return nil, 0
	}
	var names []string
	for _, i := range victims {
		m := c.members[i]
		m.ill = true
		m.end(syscall.SIGKILL)
		<-m.done
		names = append(names, m.Name)
	}
	return func() error {
		errs := make([]error, len(victims))
		var wg sync.WaitGroup
		for k, i := range victims {
			wg.Go(func() { errs[k] = c.restart(i) })
		}
		wg.Wait()
		return errors.Join(errs...)
	}, c.happens(s, names...)
}

// restart starts a member anew, and returns when it answers. Its port may be taken for a moment, so it tries again.
func (c *cluster) restart(i int) error {
	m := c.members[i]
	for deadline := time.Now().Add(limit); ; {
		p, err := c.janitor.start("member", m.memberSpec, false)
		if err != nil {
			return err
		}
		p.expect(true)
		for !c.etcd.answers(i) && !p.ended() && time.Now().Before(deadline) {
			time.Sleep(20 * time.Millisecond)
		}
		if p.ended() && time.Now().Before(deadline) {
			continue
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		m.process, m.ill = p, false
		p.expect(false)
		if !c.etcd.answers(i) {
			return fmt.Errorf("%s does not answer again: %s", m.Name, p.words.String())
		}
		return nil
	}
}
