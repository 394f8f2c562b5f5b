package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/rpc"
	"os"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/etcdengine"
	"github.com/singleton-go/singleton/grpcsingleton"
	"github.com/singleton-go/singleton/httpsingleton"
)

// nodeRole is the first argument of a process of the load, and its specification the second.
const nodeRole = "node"

// A spec says what a process of the load needs to know.
type spec struct {
	Name  string
	Store string        // where its way to etcd begins
	Sink  string        // the socket of the sink
	TTL   time.Duration // of its session
}

// nodeSpec says whether these are the arguments of such a process.
func nodeSpec(args []string) (s spec, ok bool) {
	if len(args) != 3 || args[1] != nodeRole {
		return s, false
	}
	return s, json.Unmarshal([]byte(args[2]), &s) == nil
}

// open opens the store, in the process and in its guard, which has the same arguments.
func open(context.Context) (engine.Engine, error) {
	s, ok := nodeSpec(os.Args)
	if !ok {
		return nil, fmt.Errorf("arguments %q", os.Args)
	}
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{s.Store}, Logger: zap.NewNop()})
	if err != nil {
		return nil, err
	}
	return etcdengine.New(client), nil
}

// main runs one process until it is told to stop, or until the one that has started it ends.
func (s spec) main() int {
	ctx, stop := singleton.Signals(context.Background())
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	if err := s.serve(ctx); err != nil {
		_, _ = fmt.Fprintf(os.Stderr, "calls: process %s: %v\n", s.Name, err)
		return 1
	}
	return 0
}

func (s spec) serve(ctx context.Context) error {
	eng, err := open(ctx)
	if err != nil {
		return err
	}
	sink, err := rpc.Dial("unix", s.Sink)
	if err != nil {
		return err
	}
	defer sink.Close()
	do := doer(func(_ context.Context, key string, term singleton.Term) error {
		return sink.Call("Sink.Take", Effect{key, term.Token()}, &struct{}{})
	})
	rt, err := singleton.New(eng, singleton.Config{
		Prefix: prefix, Node: s.Name, Guard: true, Timing: discovery.Timing{TTL: s.TTL},
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	return rt.Run(ctx,
		singleton.Service(httpService, httpsingleton.Server("127.0.0.1:0", do, httpsingleton.ServerOptions{})),
		singleton.Service(grpcService, grpcsingleton.Server("127.0.0.1:0", do.register, grpcsingleton.ServerOptions{})),
	)
}
