package singleton

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/singleton-go/singleton/discovery"
)

// An Endpoint is where a service can be reached. Protocol and Address are required; see [Publish] for the rest.
type Endpoint = discovery.Endpoint

// Publish tells the cluster where the service whose runner has this context can be reached. The endpoint belongs to the term:
// others see it as soon as the service is [Ready], and no longer when its context ends. It is gone before the term ends, as
// far as the store can be reached, and with the session at the latest. Its label [discovery.TokenLabel] is the term's token, by
// which callers tell one term from the next at the same address.
//
// A service may publish several endpoints. A runner that listens in Startup publishes there; one that listens in Run publishes
// at once. The address is written as it is: of a listener on port 0 it must be the one that the listener got, and with a host
// that others can reach.
//
// Publish does not wait for the store. It refuses a context that is not that of a service's runner, an endpoint without protocol
// or address, a negative weight, an ID (each term's endpoint gets its own), and a label of the token's name. When the context
// has ended it returns the cause.
func Publish(ctx context.Context, e Endpoint) error {
	r, ok := ctx.Value(runKey{}).(*run)
	if !ok {
		return errors.New("singleton: publish: this is not the context of a runner")
	}
	if err := r.publish(e); err != nil {
		return fmt.Errorf("singleton: publish endpoint of %s: %w", r.in.unit, err)
	}
	return nil
}

func (r *run) publish(e Endpoint) error {
	if r.in.unit.kind != service {
		return errors.New("only a service has endpoints")
	}
	if err := checkEndpoint(e); err != nil {
		return err
	}
	labels := map[string]string{discovery.TokenLabel: strconv.FormatUint(r.term.Token(), 10)}
	maps.Copy(labels, e.Labels)
	e.Labels, e.Codecs = labels, slices.Clone(e.Codecs)
	r.in.mu.Lock()
	defer r.in.mu.Unlock()
	switch {
	case r.ctx.Err() != nil:
		return context.Cause(r.ctx)
	case !r.ready:
		r.kept = append(r.kept, e)
		return nil
	}
	return r.publishNow(e)
}

func checkEndpoint(e Endpoint) error {
	if e.ID != "" {
		return fmt.Errorf("ID %q: must be empty, it is made anew in each term", e.ID)
	}
	if token, ok := e.Labels[discovery.TokenLabel]; ok {
		return fmt.Errorf("Labels: %q is %q: this label is the token of the term", discovery.TokenLabel, token)
	}
	return e.Check()
}

// awaitWithdrawn waits until the store has no endpoint of this term any more, for a bounded time.
func (r *run) awaitWithdrawn() {
	patience := time.NewTimer(r.in.rt.config.Timing.CallTimeout)
	defer patience.Stop()
	for _, p := range r.published {
		select {
		case <-p.Gone():
		case <-patience.C:
			r.log.Warn("endpoint not removed yet", "endpoint", p.ID())
			return
		}
	}
}

// The functions below need the mutex of the instance.

// publishKept publishes what was kept until the unit is ready.
func (r *run) publishKept() {
	for _, e := range r.kept {
		if err := r.publishNow(e); err != nil {
			r.log.Error("endpoint not published", "address", e.Address, "err", err)
		}
	}
	r.kept = nil
}

func (r *run) publishNow(e Endpoint) error {
	p, err := r.in.reg.Publish(e)
	if err == nil {
		r.published = append(r.published, p)
	}
	return err
}

// withdraw removes the endpoints.
func (r *run) withdraw() {
	for _, p := range r.published {
		p.Remove()
	}
}
