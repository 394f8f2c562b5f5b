package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

const (
	defaultLength = 20 * time.Second
	defaultTTL    = 2 * time.Second
)

type loadOptions struct {
	rate   int
	length time.Duration
	ttl    time.Duration
}

// A fault befalls the process that leads. It returns when the process is back.
type fault struct {
	name string
	at   float64 // of the length of the load
	mild bool    // no call may fail
	do   func(ctx context.Context, c *cluster, n *node) error
}

var faults = []fault{
	{"planned stop", 0.2, true, func(ctx context.Context, c *cluster, n *node) error {
		return replace(ctx, c, n, syscall.SIGTERM)
	}},
	{"SIGKILL, with a guard", 0.45, false, func(ctx context.Context, c *cluster, n *node) error {
		return replace(ctx, c, n, syscall.SIGKILL)
	}},
	{"cut off from etcd", 0.7, false, func(ctx context.Context, c *cluster, n *node) error {
		if err := n.cut(); err != nil {
			return err
		}
		return errors.Join(rest(ctx, 2*c.ttl), n.heal(ctx))
	}},
}

func replace(ctx context.Context, c *cluster, n *node, s syscall.Signal) error {
	if err := n.end(s); err != nil {
		return err
	}
	return c.start(ctx, n)
}

// rest lets time pass, as a part of the load.
func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// A record is what became of the calls over one protocol.
type record struct {
	protocol string
	results  []*vegeta.Result
}

// load runs the cluster under load, strikes it, and returns what became of the calls.
func load(ctx context.Context, o loadOptions, diag io.Writer) (_ *report, err error) {
	_, _ = fmt.Fprintln(diag, "calls: starting etcd and three processes")
	c, err := newCluster(ctx, o.ttl, diag)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	attackers, err := newAttackers(c.observer) //nolint:contextcheck // they end with close
	if err != nil {
		return nil, err
	}
	records := make([]*record, len(attackers))
	begun := time.Now()
	var all sync.WaitGroup
	for i, a := range attackers {
		defer a.close()
		records[i] = &record{protocol: a.protocol}
		all.Go(func() {
			for r := range a.attack(o.rate/len(attackers), o.length) {
				records[i].results = append(records[i].results, r)
			}
		})
	}
	struck, err := strikeAll(ctx, c, begun, o.length)
	all.Wait()
	if err != nil {
		return nil, err
	}
	return judge(o, struck, records, c.sink), nil
}

// strikeAll makes the faults, one after the other, and returns when each came.
func strikeAll(ctx context.Context, c *cluster, begun time.Time, length time.Duration) (struck []time.Time, err error) {
	for _, f := range faults {
		if err := rest(ctx, time.Until(begun.Add(time.Duration(f.at*float64(length))))); err != nil {
			return nil, err
		}
		n, err := c.leader(ctx)
		if err != nil {
			return nil, err
		}
		_, _ = fmt.Fprintf(c.diag, "calls: %s: process %s\n", f.name, n.Name)
		struck = append(struck, time.Now())
		if err := f.do(ctx, c, n); err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return struck, nil
}
