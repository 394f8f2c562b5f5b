package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/engine/etcdengine"
	"github.com/singleton-go/singleton/engine/etcdengine/etcdtest"
)

// patience is what no step of the load should ever take.
const patience = 30 * time.Second

// A cluster is one member of etcd, three processes, each with a way of its own to it, and an observer.
type cluster struct {
	dir      string
	ttl      time.Duration
	sink     *Sink
	member   *etcdtest.Member
	network  *toxiproxy.ApiServer
	nodes    []*node
	observer *discovery.Discovery
	diag     io.Writer
	closing  []func() error
}

// A node is a process of the cluster, which may be started again.
type node struct {
	spec
	way *toxiproxy.Proxy
	cmd *exec.Cmd
}

func newCluster(ctx context.Context, ttl time.Duration, diag io.Writer) (_ *cluster, err error) {
	c := &cluster{
		ttl: ttl, sink: &Sink{tokens: map[string][]uint64{}}, diag: diag,
		network: toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()),
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	if c.dir, err = os.MkdirTemp("", "calls-"); err != nil {
		return nil, err
	}
	c.atEnd(func() error { return os.RemoveAll(c.dir) })
	if c.member, err = etcdtest.Start(filepath.Join(c.dir, "etcd")); err != nil {
		return nil, err
	}
	c.atEnd(c.member.Close)
	socket := filepath.Join(c.dir, "sink")
	stop, err := c.sink.listen(socket)
	if err != nil {
		return nil, err
	}
	c.atEnd(stop)
	if err := c.observe(); err != nil {
		return nil, err
	}
	for _, name := range []string{"a", "b", "c"} {
		if err := c.add(ctx, name, socket); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *cluster) atEnd(f func() error) { c.closing = append(c.closing, f) }

// close ends all that was begun, in the opposite order.
func (c *cluster) close() (err error) {
	for _, end := range slices.Backward(c.closing) {
		err = errors.Join(err, end())
	}
	return err
}

func (c *cluster) observe() error {
	client, err := c.member.Client()
	if err != nil {
		return err
	}
	c.atEnd(client.Close)
	c.observer, err = discovery.Open(etcdengine.New(client), discovery.Config{Prefix: prefix, Observer: true})
	if err != nil {
		return err
	}
	c.atEnd(func() error { return c.observer.Close(context.Background()) })
	return nil
}

// add starts a process with a way of its own, and waits until it stands in the queues.
func (c *cluster) add(ctx context.Context, name, socket string) error {
	way := toxiproxy.NewProxy(c.network, name, "127.0.0.1:0", strings.TrimPrefix(c.member.Endpoint(), "http://"))
	if err := way.Start(); err != nil {
		return fmt.Errorf("proxy of %s: %w", name, err)
	}
	c.atEnd(func() error { way.Stop(); return nil })
	n := &node{spec: spec{Name: name, Store: "http://" + way.Listen, Sink: socket, TTL: c.ttl}, way: way}
	c.nodes = append(c.nodes, n)
	c.atEnd(func() error { return n.end(syscall.SIGTERM) })
	return c.start(ctx, n)
}

func (c *cluster) start(ctx context.Context, n *node) error {
	text, err := json.Marshal(n.spec)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	n.cmd = exec.CommandContext(context.WithoutCancel(ctx), self, nodeRole, string(text)) //nolint:gosec // this program
	n.cmd.Stderr = c.diag
	if _, err := n.cmd.StdinPipe(); err != nil { // which ends with this process
		return err
	}
	if err := n.cmd.Start(); err != nil {
		return fmt.Errorf("process %s: %w", n.Name, err)
	}
	return c.await(ctx, n.Name+" in both queues", func(found discovery.Cluster) bool {
		return stands(found, httpService, n.Name) && stands(found, grpcService, n.Name)
	})
}

// end ends the process by a signal, and waits for it.
func (n *node) end(s syscall.Signal) error {
	if n.cmd == nil || n.cmd.ProcessState != nil {
		return nil
	}
	if err := n.cmd.Process.Signal(s); err != nil {
		return err
	}
	if err := n.cmd.Wait(); err != nil && s != syscall.SIGKILL {
		return fmt.Errorf("process %s: %w", n.Name, err)
	}
	return nil
}

// cut swallows all that the process and etcd say to each other, until heal is called. No connection is closed.
func (n *node) cut() error {
	for _, stream := range []string{"upstream", "downstream"} {
		toxic := fmt.Sprintf(`{"name":%q,"type":"timeout","stream":%q,"attributes":{"timeout":0}}`, stream, stream)
		if _, err := n.way.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
			return err
		}
	}
	return nil
}

func (n *node) heal(ctx context.Context) (err error) {
	for _, stream := range []string{"upstream", "downstream"} {
		err = errors.Join(err, n.way.Toxics.RemoveToxic(ctx, stream))
	}
	return err
}

// leader returns the process that leads the HTTP service.
func (c *cluster) leader(ctx context.Context) (n *node, err error) {
	err = c.await(ctx, "a leader", func(found discovery.Cluster) bool {
		e, _ := found.Election("service/" + httpService)
		for _, candidate := range c.nodes {
			if candidate.Name == e.Leader.Node {
				n = candidate
			}
		}
		return n != nil
	})
	return n, err
}

func (c *cluster) await(ctx context.Context, what string, there func(discovery.Cluster) bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%s: not within %v", what, patience))
	defer cancel()
	for found, err := range c.observer.Observe(ctx) {
		if err != nil {
			return err
		}
		if there(found) {
			return nil
		}
	}
	return context.Cause(ctx)
}

func stands(c discovery.Cluster, service, node string) bool {
	e, _ := c.Election("service/" + service)
	for _, candidate := range append(e.Waiting, e.Leader) {
		if candidate.Node == node {
			return true
		}
	}
	return false
}
