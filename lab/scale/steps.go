package main

import (
	"context"
	"errors"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// startAll starts the nodes one after the other, and weighs them meanwhile.
func (t *trial) startAll(ctx context.Context) error {
	for range t.f.Nodes {
		if _, err := t.join(ctx); err != nil {
			return err
		}
	}
	first, second := t.nodes[0], t.nodes[1]
	before, err := t.weigh(first, second)
	if err != nil {
		return err
	}
	begun, err := first.ask("start")
	if err != nil {
		return err
	}
	last, err := t.await(ctx, t.nodes[:1], t.f.Units)
	if err != nil {
		return err
	}
	t.f.Start = last.Sub(begun.At).Seconds()
	if t.f.Kind == "bare" {
		_, err := second.ask("start")
		return errors.Join(err, t.settle(ctx))
	}
	if err := t.settle(ctx); err != nil {
		return err
	}
	led, err := t.weigh(first)
	if err != nil {
		return err
	}
	t.f.ReadyHeap, t.f.ReadyGoroutines = t.perUnit(before[0], led[0])
	t.f.ReadyGoroutines -= min(1, t.f.ReadyGoroutines) // the runner's
	return t.startOthers(ctx, second, before[1])
}

// startOthers starts the second node, which is weighed before and after all others have come.
func (t *trial) startOthers(ctx context.Context, second *child, before state) error {
	var pending [2]state
	stand := 1
	for i, some := range [][]*child{t.nodes[1:2], t.nodes[2:]} {
		for _, n := range some {
			if _, err := n.ask("start"); err != nil {
				return err
			}
		}
		stand += len(some)
		if err := errors.Join(t.entered(ctx, stand), t.settle(ctx)); err != nil {
			return err
		}
		now, err := t.weigh(second)
		if err != nil {
			return err
		}
		pending[i] = now[0]
	}
	t.f.PendingHeap, t.f.PendingGoroutines = t.perUnit(before, pending[1])
	if more := t.f.Nodes - 2; more > 0 {
		heap, _ := t.perUnit(pending[0], pending[1])
		t.f.ForeignHeap = heap / float64(more)
	}
	status, err := t.client.Status(ctx, t.role.Endpoint)
	if err == nil && t.f.Units >= fewest {
		t.f.StoreBytes = float64(status.DbSizeInUse) / float64(t.f.Units*t.f.Nodes)
	}
	return err
}

func (t *trial) weigh(nodes ...*child) (all []state, err error) {
	for _, n := range nodes {
		s, err := n.ask("weigh")
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// perUnit is 0 where there are too few to tell.
func (t *trial) perUnit(before, after state) (heap, goroutines float64) {
	if t.f.Units < fewest {
		return 0, 0
	}
	n := float64(t.f.Units)
	return (float64(after.Heap) - float64(before.Heap)) / n, float64(after.Goroutines-before.Goroutines) / n
}

// idle measures what all cost while nothing happens. The last node is one that waits.
func (t *trial) idle(ctx context.Context) error {
	all := append([]*child{t.etcd}, t.nodes...)
	before, err := states(all)
	if err != nil {
		return err
	}
	if err := rest(ctx, t.o.window); err != nil {
		return err
	}
	after, err := states(all)
	if err != nil {
		return err
	}
	last := len(all) - 1
	seconds := after[last].At.Sub(before[last].At).Seconds()
	for i := range all {
		t.f.IdleSent += float64(after[i].Sent-before[i].Sent) / seconds
		t.f.IdleReceived += float64(after[i].Received-before[i].Received) / seconds
	}
	t.f.EtcdCPU = milliseconds(after[0].CPU-before[0].CPU) / seconds
	t.f.NodeCPU = milliseconds(after[last].CPU-before[last].CPU) / seconds
	return nil
}

func states(all []*child) (list []state, err error) {
	for _, c := range all {
		s, err := c.ask("state")
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1000 }

// change measures what a node that waits pays for the changes of one unit on the leader, beyond what it pays when idle.
func (t *trial) change(ctx context.Context) error {
	if t.f.Kind != "singleton" {
		return nil
	}
	// The second node would win what the first lets go; the last one only changes its own place.
	actor, bystander := t.nodes[len(t.nodes)-1], t.nodes[1]
	before, err := bystander.ask("state")
	if err != nil {
		return err
	}
	if _, err := actor.askFor(request{Do: "change", Times: changes}); err != nil {
		return err
	}
	if err := t.settle(ctx); err != nil {
		return err
	}
	after, err := bystander.ask("state")
	if err != nil {
		return err
	}
	idle := after.At.Sub(before.At).Seconds() * t.f.NodeCPU
	t.f.ChangeCPU = max(0, milliseconds(after.CPU-before.CPU)-idle) * 1000 / changes
	t.f.ChangeReceived = float64(after.Received-before.Received) / changes
	return nil
}

// revoke ends the leader's lease, as an operator may.
func (t *trial) revoke(ctx context.Context) error {
	if t.f.Kind == "leaderelection" {
		return nil // it has none
	}
	head, err := t.client.Get(ctx, t.queue(0), clientv3.WithFirstCreate()...)
	if err != nil {
		return err
	}
	if len(head.Kvs) == 0 {
		return errors.New("revoke: nobody stands in the first election")
	}
	_, others, err := t.leader()
	if err != nil {
		return err
	}
	if err := t.record("record", others); err != nil {
		return err
	}
	begun := time.Now()
	if _, err := t.client.Revoke(ctx, clientv3.LeaseID(head.Kvs[0].Lease)); err != nil {
		return err
	}
	last, err := t.await(ctx, others, t.f.Units)
	if err != nil {
		return err
	}
	t.f.Revoked = last.Sub(begun).Seconds()
	if err := t.record("recorded", others); err != nil {
		return err
	}
	if t.f.Kind == "bare" {
		return nil
	}
	// The one whose lease is gone may not know it yet; etcd's own package is told by its next keepalive.
	if _, err := t.await(ctx, t.nodes, t.f.Units); err != nil {
		return err
	}
	return t.settle(ctx)
}

// record begins or ends profiles of the processor, where they are wanted.
func (t *trial) record(do string, nodes []*child) error {
	if t.o.profile == "" {
		return nil
	}
	for _, n := range nodes {
		if _, err := n.ask(do); err != nil {
			return err
		}
	}
	return nil
}

// kill kills the leader. Where it has a guard, that ends its session.
func (t *trial) kill(ctx context.Context) error {
	leader, others, err := t.leader()
	if err != nil {
		return err
	}
	begun, err := leader.kill()
	if err != nil {
		return err
	}
	last, err := t.await(ctx, others, t.f.Units)
	if err != nil {
		return err
	}
	t.f.Killed = last.Sub(begun).Seconds()
	return t.replace(ctx, others)
}

// stop stops the leader in order.
func (t *trial) stop(ctx context.Context) error {
	leader, others, err := t.leader()
	if err != nil {
		return err
	}
	begun, err := leader.ask("stop")
	if err != nil {
		return err
	}
	last, err := t.await(ctx, others, t.f.Units)
	if err != nil {
		return err
	}
	t.f.Stopped = last.Sub(begun.At).Seconds()
	leader.close()
	return t.replace(ctx, others)
}

// replace starts a node in place of the one that is gone.
func (t *trial) replace(ctx context.Context, others []*child) error {
	t.nodes = others
	n, err := t.join(ctx)
	if err != nil {
		return err
	}
	if _, err := n.ask("start"); err != nil {
		return err
	}
	return t.settle(ctx)
}

// outage takes etcd away until every unit has stopped and the TTL is over, and measures how long all take to come back.
func (t *trial) outage(ctx context.Context) error {
	if _, err := t.etcd.ask("stop"); err != nil {
		return err
	}
	if err := rest(ctx, t.o.ttl*3/2); err != nil {
		return err
	}
	if _, err := t.await(ctx, t.nodes, 0); err != nil {
		return err
	}
	if _, err := t.etcd.ask("start"); err != nil {
		return err
	}
	begun := time.Now()
	last, err := t.await(ctx, t.nodes, t.f.Units)
	t.f.Recovered = last.Sub(begun).Seconds()
	return err
}
