package real

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// A network is every node's own way to every member.
//
// Answers are delayed by proxies. Nodes are cut off by them too, or at their wires.
type network struct {
	server *toxiproxy.ApiServer
	ways   map[string][]*toxiproxy.Proxy // by node, one for each member
	wires  bool                          // each node has a network of its own
}

func newNetwork(ctx context.Context, o Options) (*network, error) {
	n := &network{
		server: toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), ways: map[string][]*toxiproxy.Proxy{},
		wires: o.Network == hubbed,
	}
	if n.wires {
		return n, openHub(ctx)
	}
	return n, nil
}

// open opens a node's ways, and returns where they begin.
func (n *network) open(node string, members []memberSpec) ([]string, error) {
	var endpoints []string
	for _, m := range members {
		host := "127.0.0.1"
		if n.wires {
			host = hubHost
		}
		p := toxiproxy.NewProxy(n.server, node+"-"+m.Name, host+":0", m.Client)
		if err := p.Start(); err != nil {
			return nil, fmt.Errorf("proxy %s: %w", p.Name, err)
		}
		n.ways[node] = append(n.ways[node], p)
		endpoints = append(endpoints, "http://"+p.Listen)
	}
	return endpoints, nil
}

func (n *network) close() {
	for _, ways := range n.ways {
		for _, p := range ways {
			p.Stop()
		}
	}
}

// A toxic is what toxiproxy calls a fault of a connection.
type toxic struct {
	Name       string           `json:"name"`
	Type       string           `json:"type"`
	Stream     string           `json:"stream"`
	Attributes map[string]int64 `json:"attributes"`
}

// toxics are the faults that a kind of fault is made of. A timeout of 0 swallows everything and closes nothing.
func toxics(k kind, delay time.Duration) []toxic {
	swallow := map[string]int64{"timeout": 0}
	up, down := toxic{"up", "timeout", "upstream", swallow}, toxic{"down", "timeout", "downstream", swallow}
	switch k {
	case cut:
		return []toxic{up, down}
	case cutRequests:
		return []toxic{up}
	case cutAnswers:
		return []toxic{down}
	default:
		return []toxic{{"slow", "latency", "downstream", map[string]int64{"latency": delay.Milliseconds()}}}
	}
}

// strike makes a fault, and returns what heals it.
func (n *network) strike(ctx context.Context, node string, s step) (heal func() error, err error) {
	if n.wires && s.kind != slow {
		return func() error { return mendWire(ctx, node) }, cutWire(ctx, node, s.kind)
	}
	list := toxics(s.kind, s.delay)
	return func() error { return n.heal(ctx, node, list) }, n.poison(node, list)
}

// poison puts toxics into all ways of a node.
func (n *network) poison(node string, list []toxic) error {
	for _, p := range n.ways[node] {
		for _, t := range list {
			text, err := json.Marshal(t)
			if err != nil {
				return err
			}
			if _, err := p.Toxics.AddToxicJson(bytes.NewReader(text)); err != nil {
				return fmt.Errorf("proxy %s: %w", p.Name, err)
			}
		}
	}
	return nil
}

// heal takes the toxics out again. Connections that were cut are closed by that.
func (n *network) heal(ctx context.Context, node string, list []toxic) error {
	var wg sync.WaitGroup
	errs := make([]error, len(n.ways[node]))
	for i, p := range n.ways[node] {
		wg.Go(func() {
			for _, t := range list {
				errs[i] = errors.Join(errs[i], p.Toxics.RemoveToxic(ctx, t.Name))
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
