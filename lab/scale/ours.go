package main

import (
	"context"
	"errors"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/etcdengine"
)

// errStopped is why a node leaves.
var errStopped = errors.New("told to stop")

// ours is a runtime of this project, with a guard.
type ours struct {
	rt     *singleton.Runtime
	units  []singleton.Unit
	cancel context.CancelCauseFunc
	over   chan error
}

func newOurs(client *clientv3.Client, r role, count *tally) (node, error) {
	rt, err := singleton.New(etcdengine.New(client), singleton.Config{
		Prefix: prefix, Guard: true, Timing: discovery.Timing{TTL: r.TTL},
	})
	if err != nil {
		return nil, err
	}
	o := &ours{rt: rt, over: make(chan error, 1)}
	run := singleton.RunnerFunc(func(ctx context.Context) error {
		count.add(1)
		<-ctx.Done()
		count.add(-1)
		return nil
	})
	for i := range r.Units {
		o.units = append(o.units, singleton.Worker(unitName(i), run))
	}
	return o, nil
}

// openEngine is what the guard of a node ends its session by.
func openEngine(context.Context) (engine.Engine, error) {
	r, _, err := roleOf()
	if err != nil {
		return nil, err
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints: []string{r.Endpoint}, Logger: zap.NewNop(),
		DialOptions: []grpc.DialOption{grpc.WithInitialWindowSize(window), grpc.WithInitialConnWindowSize(window)},
	})
	if err != nil {
		return nil, err
	}
	return etcdengine.New(client), nil
}

// open waits until the runtime has its session. Nothing else tells, so it looks.
func (o *ours) open(ctx context.Context) error {
	run, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	o.cancel = cancel
	go func() { o.over <- o.rt.Run(run) }()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for {
		if d := o.rt.Discovery(); d != nil {
			if trust, err := d.Trust(); trust > 0 || err != nil {
				return err
			}
		}
		select {
		case err := <-o.over:
			o.over <- err
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-look.C:
		}
	}
}

func (o *ours) start(context.Context) error {
	for _, u := range o.units {
		if err := o.rt.Install(u); err != nil {
			return err
		}
	}
	return nil
}

func (o *ours) change(ctx context.Context, times int) error {
	u := o.units[len(o.units)-1]
	for range times {
		if err := o.rt.Uninstall(ctx, u.String()); err != nil {
			return err
		}
		if err := o.rt.Install(u); err != nil {
			return err
		}
	}
	return nil
}

func (o *ours) stop(context.Context) error {
	if o.cancel == nil {
		return nil
	}
	o.cancel(errStopped)
	return <-o.over
}
