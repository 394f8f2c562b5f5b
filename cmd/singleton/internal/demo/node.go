package demo

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/fence"
	"github.com/singleton-go/singleton/fence/httpfence"
	"github.com/singleton-go/singleton/schedule"
)

const (
	prefix = "/demo"

	jobInterval  = 100 * time.Millisecond
	jobTakes     = 80 * time.Millisecond
	beatInterval = 50 * time.Millisecond

	sendLimit = time.Second
	grace     = 5 * time.Second
)

// elections are those of the two units that every node runs.
var elections = [...]string{"worker/data-sync", "service/ledger"}

// A node is one process of the cluster.
type node struct {
	name string
	ttl  time.Duration
	sink string            // its URL
	edge http.RoundTripper // what its effects leave through
	log  *slog.Logger
}

// run is what a user's program does.
func (n *node) run(ctx context.Context, e engine.Engine) error {
	rt, err := singleton.New(e, singleton.Config{
		Prefix: prefix, Node: n.name, Grace: grace, Timing: discovery.Timing{TTL: n.ttl}, Logger: n.log,
	})
	if err != nil {
		return err
	}
	w := &work{sink: n.sink, client: http.Client{Transport: &httpfence.Transport{Base: n.edge, Term: fence.From(singleton.TermFrom)}}}
	return rt.Run(ctx,
		singleton.Worker("data-sync", schedule.Every(jobInterval, w.sync)),
		singleton.Service("ledger", singleton.RunnerFunc(w.serve)),
	)
}

// work is what leaders do: it sends effects to the sink, with the token of its term.
type work struct {
	sink   string
	client http.Client
}

// sync has one effect when it begins and one when it is done. It takes too short a time to look at ctx between the two, so one
// that is paused there has its second effect whenever it wakes up.
func (w *work) sync(ctx context.Context) error {
	if err := w.effect(ctx); err != nil {
		return err
	}
	time.Sleep(jobTakes)
	return w.effect(ctx)
}

// serve has an effect when it begins, one at each beat, and one when it ends, whatever the reason.
func (w *work) serve(ctx context.Context) error {
	beat := time.NewTicker(beatInterval)
	defer beat.Stop()
	for last := false; ; {
		if err := w.effect(ctx); err != nil {
			singleton.LoggerFrom(ctx).Warn("beat failed", "err", err)
		}
		if last {
			return context.Cause(ctx)
		}
		select {
		case <-beat.C:
		case <-ctx.Done():
			last = true
		}
	}
}

// effect does not end with ctx: what was sent can't be called back. That is what the fence is for.
func (w *work) effect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.sink, http.NoBody)
	if err != nil {
		return err
	}
	answer, err := w.client.Do(request)
	if err != nil {
		return err
	}
	if err := answer.Body.Close(); err != nil {
		return err
	}
	if err := httpfence.Refusal(answer); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("sink: %s", answer.Status)
	}
	return nil
}
