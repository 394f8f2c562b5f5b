package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"github.com/singleton-go/singleton/engine/etcdengine/etcdtest"
)

const (
	patience = 30 * time.Second      // for one round, and for closing
	warmUp   = 10                    // rounds that don't count
	breath   = 10 * time.Millisecond // between rounds, so that what one leaves behind does not slow the next
	window   = 1 << 20               // bytes
)

// A result is what one contest took.
type result struct {
	Contest    string  `json:"contest"`
	Candidates int     `json:"candidates"`
	P50        float64 `json:"p50_ms"`
	P99        float64 `json:"p99_ms"`
	Ratio      float64 `json:"p50_to_floor"`
	ToMany     float64 `json:"p50_to_a_watch_per_candidate"`
	Aim        float64 `json:"aim,omitempty"`
}

// A contest is something whose rounds are measured.
type contest struct {
	name string
	aim  float64
	runs interface {
		round(ctx context.Context) (time.Duration, error)
		close() error
	}
	took []time.Duration
}

// measure returns the results for each number of candidates.
func measure(ctx context.Context, sizes []int, rounds int) (all []result, err error) {
	dir, err := os.MkdirTemp("", "singleton-lab-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	member, err := etcdtest.Start(dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, member.Close()) }()
	for _, n := range sizes {
		r, err := measureOne(ctx, member, n, rounds)
		if err != nil {
			return nil, fmt.Errorf("%d candidates: %w", n, err)
		}
		all = append(all, r...)
	}
	return all, nil
}

// measureOne lets all contests take turns.
func measureOne(ctx context.Context, member *etcdtest.Member, n, rounds int) (_ []result, err error) {
	var contests []*contest
	defer func() {
		for _, c := range contests {
			err = errors.Join(err, c.runs.close())
		}
	}()
	for _, open := range []func(context.Context, *etcdtest.Member, int) (*contest, error){oneWatch, manyWatches, singleton, concurrent} {
		c, err := open(ctx, member, n)
		if err != nil {
			return nil, err
		}
		contests = append(contests, c)
	}
	for i := range warmUp + rounds {
		for _, c := range contests {
			time.Sleep(breath)
			took, err := roundOf(ctx, c)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			if i >= warmUp {
				c.took = append(c.took, took)
			}
		}
	}
	return resultsOf(contests, n), nil
}

func roundOf(ctx context.Context, c *contest) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return c.runs.round(ctx)
}

func resultsOf(contests []*contest, n int) (list []result) {
	floor, many := percentile(contests[0].took, 50), percentile(contests[1].took, 50)
	for _, c := range contests {
		p50 := percentile(c.took, 50)
		list = append(list, result{
			Contest: c.name, Candidates: n, P50: p50, P99: percentile(c.took, 99), Ratio: p50 / floor, ToMany: p50 / many, Aim: c.aim,
		})
	}
	return list
}

// percentile returns milliseconds.
func percentile(took []time.Duration, p int) float64 {
	sorted := slices.Sorted(slices.Values(took))
	return float64(sorted[min(len(sorted)-1, len(sorted)*p/100)].Microseconds()) / 1000
}

// dial opens a client as package etcdengine advises: with fixed windows, so that a delivery costs no ping.
func dial(m *etcdtest.Member) (*clientv3.Client, error) {
	return m.Client(grpc.WithInitialWindowSize(window), grpc.WithInitialConnWindowSize(window))
}

func dialer(m *etcdtest.Member) func() (*clientv3.Client, error) {
	return func() (*clientv3.Client, error) { return dial(m) }
}

func oneWatch(ctx context.Context, m *etcdtest.Member, _ int) (*contest, error) {
	f, err := newFloor(ctx, "floor/one", 1, dialer(m))
	return &contest{name: "floor: one put, one watch", runs: f}, err
}

func manyWatches(ctx context.Context, m *etcdtest.Member, n int) (*contest, error) {
	f, err := newFloor(ctx, "floor/many", n, dialer(m))
	return &contest{name: "one put, a watch per candidate", runs: f}, err
}

func singleton(ctx context.Context, m *etcdtest.Member, n int) (*contest, error) {
	const prefix = "/handover"
	a, err := openArena(ctx, m, "election/"+prefix+"/singleton/handover/", n, prefix, openOurs)
	c := &contest{name: "singleton", runs: a, aim: 1.5}
	if n > 10 {
		c.aim = 4
	}
	return c, err
}

func concurrent(ctx context.Context, m *etcdtest.Member, n int) (*contest, error) {
	const prefix = "concurrency"
	a, err := openArena(ctx, m, prefix+"/", n, prefix, openStock)
	return &contest{name: "etcd concurrency", runs: a}, err
}

func openArena(ctx context.Context, m *etcdtest.Member, queue string, n int, prefix string,
	open func(*clientv3.Client, string) (candidate, error),
) (*arena, error) {
	bystander, err := dial(m)
	if err != nil {
		return nil, err
	}
	return newArena(ctx, bystander, strings.TrimSuffix(queue, "/")+"/", n, func() (candidate, error) {
		client, err := dial(m)
		if err != nil {
			return nil, err
		}
		return open(client, prefix)
	})
}
