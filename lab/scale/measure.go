package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	limit        = time.Minute            // for anything that is waited for
	look         = 20 * time.Millisecond  // between two looks at the nodes; what is measured they note themselves
	quiet        = 600 * time.Millisecond // without a new revision, and the store has come to rest
	idleMessages = 6                      // from one node while it is quiet: renewals, and what belongs to them
	fewest       = 100                    // units below which the heap of one can't be told from noise
	fewestLooks  = 10                     // at a store that has come to rest, since one may take long on a busy machine
	changes      = 50                     // of one unit, to measure what they cost others
)

// Figures are what one kind costs with so many units and nodes. Times are in seconds; 0 says that it was not measured.
type figures struct {
	Kind  string `json:"kind"`
	Units int    `json:"units"`
	Nodes int    `json:"nodes"`

	Start     float64 `json:"start_s"`     // of the first node, until all its units run
	Revoked   float64 `json:"revoked_s"`   // from the word to revoke the leader's lease until all units run elsewhere
	Killed    float64 `json:"killed_s"`    // the same from SIGKILL of the leader
	Stopped   float64 `json:"stopped_s"`   // and from the word to stop in order
	Recovered float64 `json:"recovered_s"` // from etcd's return, after it was away for longer than the TTL

	IdleSent     float64 `json:"idle_sent_per_s"`     // messages to the store, of all nodes together
	IdleReceived float64 `json:"idle_received_per_s"` // messages from it
	NodeCPU      float64 `json:"idle_node_cpu_ms_per_s"`
	EtcdCPU      float64 `json:"idle_etcd_cpu_ms_per_s"`

	ReadyHeap         float64 `json:"ready_heap_bytes"`   // per unit, where nobody else stands
	ReadyGoroutines   float64 `json:"ready_goroutines"`   // per unit, without its runner's
	PendingHeap       float64 `json:"pending_heap_bytes"` // per unit, with the candidates of others beside it
	ForeignHeap       float64 `json:"foreign_heap_bytes"` // of that, for each candidate of another node
	PendingGoroutines float64 `json:"pending_goroutines"` // per unit
	StoreBytes        float64 `json:"store_bytes"`        // in etcd's database, per unit and node

	ChangeCPU      float64 `json:"change_cpu_us"`   // of a waiting node, for one unit that stops and starts elsewhere
	ChangeReceived float64 `json:"change_received"` // messages to it, for the same

	Err string `json:"error,omitempty"` // why what follows is missing
}

// A trial is one kind with its processes.
type trial struct {
	o      options
	f      *figures
	full   bool // or only what depends on the number of nodes
	diag   io.Writer
	etcd   *child
	client *clientv3.Client
	role   role
	nodes  []*child
}

// try measures one kind on a member of its own. What fails is said in the figures, and those measured before it stay.
func try(ctx context.Context, o options, f figures, full bool, diag io.Writer) figures {
	t := &trial{o: o, f: &f, full: full, diag: diag}
	if err := t.run(ctx); err != nil {
		f.Err = err.Error()
	}
	return f
}

func (t *trial) run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "singleton-lab-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if t.etcd, err = spawn(ctx, role{Kind: "etcd", Dir: dir}, t.diag); err != nil {
		return err
	}
	defer t.etcd.close()
	defer t.closeNodes()
	s, err := t.etcd.ask("state")
	if err != nil {
		return err
	}
	t.role = role{Kind: t.f.Kind, Endpoint: s.Endpoint, TTL: t.o.ttl, Units: t.f.Units, Profile: t.o.profile}
	if t.client, err = dial(s.Endpoint, new(meter)); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.client.Close()) }()
	return t.steps(ctx)
}

func (t *trial) steps(ctx context.Context) error {
	steps := []func(context.Context) error{t.startAll, t.idle, t.change, t.revoke}
	if t.f.Kind == "bare" {
		steps = []func(context.Context) error{t.startAll, t.revoke}
	} else if t.full {
		steps = append(steps, t.kill, t.stop)
		if t.o.outage {
			steps = append(steps, t.outage)
		}
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (t *trial) closeNodes() {
	for _, n := range t.nodes {
		n.close()
	}
}

// join adds a node that has its lease, and enters nothing yet. Every node has its index for good.
func (t *trial) join(ctx context.Context) (*child, error) {
	n, err := spawn(ctx, t.role, t.diag)
	if err != nil {
		return nil, err
	}
	t.role.Index++
	t.nodes = append(t.nodes, n)
	_, err = n.ask("open")
	return n, err
}

// entered waits until so many nodes stand in all elections. Client-go has no queue.
func (t *trial) entered(ctx context.Context, nodes int) error {
	if t.f.Kind == "leaderelection" {
		return nil
	}
	all := strings.TrimSuffix(t.queue(0), unitName(0)+"/")
	for until := time.Now().Add(limit); ; {
		r, err := t.client.Get(ctx, all, clientv3.WithPrefix(), clientv3.WithCountOnly())
		if err != nil || r.Count == int64(nodes*t.f.Units) {
			return err
		}
		if time.Now().After(until) {
			return fmt.Errorf("%d records of %d nodes in %d elections after %v", r.Count, nodes, t.f.Units, limit)
		}
		if err := rest(ctx, look); err != nil {
			return err
		}
	}
}

// settle waits until nothing is written or asked any more. Client-go writes for ever, so it gets some time.
func (t *trial) settle(ctx context.Context) error {
	if t.f.Kind == "leaderelection" {
		return rest(ctx, t.o.ttl/2) // several of its tries
	}
	until, since := time.Now().Add(limit), time.Now()
	revision, sent, err := t.activity(ctx)
	for looks := 0; err == nil && (looks < fewestLooks || time.Since(since) < quiet); looks++ {
		if time.Now().After(until) {
			return fmt.Errorf("the store was not at rest for %v", limit)
		}
		if err := rest(ctx, look); err != nil {
			return err
		}
		var r, s int64
		if r, s, err = t.activity(ctx); r != revision || s > sent+int64(idleMessages*len(t.nodes)) {
			looks, since, revision, sent = 0, time.Now(), r, s
		}
	}
	return err
}

// activity returns the store's revision, and how many messages all nodes have sent.
func (t *trial) activity(ctx context.Context) (revision, sent int64, err error) {
	r, err := t.client.Get(ctx, "rest", clientv3.WithCountOnly())
	if err != nil {
		return 0, 0, err
	}
	all, err := states(t.nodes)
	for _, s := range all {
		sent += s.Sent
	}
	return r.Header.Revision, sent, err
}

// rest lets time pass: what is measured, or what is between two looks.
func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// await waits until so many units run on these nodes together, and returns when that came about.
func (t *trial) await(ctx context.Context, nodes []*child, units int) (last time.Time, err error) {
	for until := time.Now().Add(limit); ; {
		var sum int64
		for _, n := range nodes {
			s, err := n.ask("state")
			if err != nil {
				return last, err
			}
			if sum += s.Ready; s.Changed.After(last) {
				last = s.Changed
			}
		}
		if sum == int64(units) {
			return last, nil
		}
		if time.Now().After(until) {
			return last, fmt.Errorf("%d of %d units run after %v", sum, units, limit)
		}
		if err := rest(ctx, look); err != nil {
			return last, err
		}
	}
}

// leader returns the node that runs most, and the others.
func (t *trial) leader() (leader *child, others []*child, err error) {
	most := int64(-1)
	for _, n := range t.nodes {
		s, err := n.ask("state")
		if err != nil {
			return nil, nil, err
		}
		if s.Ready > most {
			leader, most = n, s.Ready
		}
	}
	for _, n := range t.nodes {
		if n != leader {
			others = append(others, n)
		}
	}
	if t.f.Kind == "bare" {
		return t.nodes[0], t.nodes[1:2], nil // each of the others counts the same deletes
	}
	return leader, others, nil
}

// queue is where the candidates of one unit stand.
func (t *trial) queue(i int) string {
	switch t.f.Kind {
	case "singleton":
		return "election/" + prefix + "/singleton/worker/" + unitName(i) + "/"
	case "bare":
		return bareQueues + unitName(i) + "/"
	default:
		return prefix + "/" + unitName(i) + "/"
	}
}
