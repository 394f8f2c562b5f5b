package real

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/engine/etcdengine"
	"github.com/singleton-go/singleton/lab/peers"
)

// The contenders, in the order in which they stand side by side. The first is the one that made a promise.
const (
	ours           = "singleton"
	concurrency    = "etcd concurrency"
	leaderElection = "client-go"
)

var contenders = []string{ours, concurrency, leaderElection}

// A nodeSpec is what the process of a node is told.
type nodeSpec struct {
	Name      string
	Life      int // how often it was started before
	TTL       time.Duration
	Endpoints []string // of etcd, as this node reaches it
	Sink      string   // the path of a socket
}

// margin is for how long a node may be late; whoever is later counts as suspended. It is the library's own default.
func margin(ttl time.Duration) time.Duration { return ttl / 20 }

// again is the wait after a campaign that failed.
const again = 100 * time.Millisecond

// nodeRole is the program of a node: a candidate of each contender.
func nodeRole(ctx context.Context, text string, in io.Reader, _ io.Writer) error {
	var s nodeSpec
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return err
	}
	ended := make(chan error, 2)
	go func() {
		_, _ = io.Copy(io.Discard, in)
		ended <- errAlone
	}()
	go func() { ended <- s.run(ctx) }()
	return <-ended // the process ends, and with it whatever still runs
}

func (s nodeSpec) run(ctx context.Context) error {
	watch, err := s.dial("")
	if err != nil {
		return err
	}
	defer watch.Close()
	quit := make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(quit)
	wg.Go(func() {
		stalls(quit, margin(s.TTL), func(late span) {
			_ = watch.tell(message{Kind: stall, Start: late.Start, End: late.End}) // without a sink the process ends anyway
		})
	})

	errs := make(chan error, len(contenders))
	for _, name := range contenders {
		go func() { errs <- s.contend(ctx, name) }()
	}
	for range contenders {
		err = errors.Join(err, <-errs)
	}
	return err
}

// contend takes part in one election until ctx ends.
func (s nodeSpec) contend(ctx context.Context, name string) error {
	sink, err := s.dial(name)
	if err != nil {
		return err
	}
	defer sink.Close()
	client, err := clientv3.New(clientv3.Config{Endpoints: s.Endpoints, Logger: zap.NewNop()})
	if err != nil {
		return err
	}
	defer client.Close()
	if name == ours {
		return s.runtime(ctx, client, sink)
	}
	var c peers.Candidate
	o := peers.Options{Name: "torture/" + name, ID: fmt.Sprintf("%s.%d", s.Name, s.Life), TTL: s.TTL}
	if name == concurrency {
		c, err = peers.Concurrency(client, o)
	} else {
		c, err = peers.LeaderElection(client, o, false)
	}
	if err != nil {
		return err
	}
	return s.campaigns(ctx, c, sink)
}

// runtime is what a user of this library writes.
func (s nodeSpec) runtime(ctx context.Context, client *clientv3.Client, sink *sinkConn) error {
	rt, err := singleton.New(etcdengine.New(client), singleton.Config{
		Prefix: "/torture", Node: s.Name, Timing: discovery.Timing{TTL: s.TTL},
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	return rt.Run(ctx, singleton.Worker("torture", singleton.RunnerFunc(func(ctx context.Context) error {
		term, _ := singleton.TermFrom(ctx)
		return sink.work(ctx, term.Token())
	})))
}

// campaigns is what a user of a peer writes.
func (s nodeSpec) campaigns(ctx context.Context, c peers.Candidate, sink *sinkConn) error {
	for ctx.Err() == nil {
		term, err := c.Campaign(ctx)
		if err != nil {
			select {
			case <-ctx.Done():
			case <-time.After(again):
			}
			continue
		}
		work, cancel := context.WithCancel(term.Context())
		stop := context.AfterFunc(ctx, cancel)
		err = sink.work(work, term.Token()) //nolint:contextcheck // it is the term that work ends with
		stop()
		cancel()
		if err != nil && work.Err() == nil {
			return err
		}
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.TTL)
		_ = term.Resign(bounded) // it may be lost, or out of reach
		cancel()
	}
	return nil
}
