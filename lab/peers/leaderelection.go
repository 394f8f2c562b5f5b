package peers

import (
	"context"
	"fmt"

	"github.com/go-logr/logr"
	"github.com/google/uuid"
	clientv3 "go.etcd.io/etcd/client/v3"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/klog/v2"
)

// The documented defaults are a lease of 15 s, 10 s to renew it, and 2 s between two tries.
const (
	defaultLease = 15
	defaultRenew = 10
	defaultRetry = 2
)

type elector struct {
	client  *clientv3.Client
	o       Options
	release bool
}

// LeaderElection returns a candidate of client-go's leaderelection. Its documented defaults are scaled so that its lease lasts one
// TTL; a call has half of the time to renew, as client-go gives it. With release it frees the lock when the term is resigned
// (ReleaseOnCancel), which is not the default, and costs safety where the store is out of reach.
//
// Its documentation has the process end when leadership is lost. Here every Campaign has an elector and an identity of its own, so a
// candidate that comes back is nobody that held the lock before, as a process that was started anew.
func LeaderElection(client *clientv3.Client, o Options, release bool) (Candidate, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("leaderelection: %w", err)
	}
	return &elector{client, o, release}, nil
}

func (e *elector) Campaign(ctx context.Context) (Term, error) {
	part := e.o.TTL / defaultLease
	l := &lock{client: e.client, key: e.o.Name, id: e.o.ID + "_" + uuid.NewString(), timeout: part * defaultRenew / 2}
	started := make(chan context.Context, 1)
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: l, Name: e.o.Name, ReleaseOnCancel: e.release,
		LeaseDuration: e.o.TTL, RenewDeadline: part * defaultRenew, RetryPeriod: part * defaultRetry,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(ctx context.Context) { started <- ctx },
			OnStoppedLeading: func() {}, // the context that was given has ended before
		},
	})
	if err != nil {
		return nil, fmt.Errorf("leaderelection: %w", err)
	}
	alive, end := context.WithCancel(klog.NewContext(context.WithoutCancel(ctx), logr.Discard()))
	t := &electorTerm{lock: l, end: end, ended: make(chan struct{})}
	go func() {
		defer close(t.ended)
		elector.Run(alive)
	}()
	select {
	case t.ctx = <-started:
		t.token = uint64(max(0, l.token.Load())) // no revision is negative
		return t, nil
	case <-ctx.Done():
		end()
		<-t.ended
		return nil, fmt.Errorf("leaderelection: campaign: %w", context.Cause(ctx))
	}
}

type electorTerm struct {
	lock  *lock
	ctx   context.Context //nolint:containedctx // it is what the elector gives to the work
	token uint64
	end   context.CancelFunc
	ended chan struct{} // closed when the elector has returned
}

func (t *electorTerm) Context() context.Context { return t.ctx }
func (t *electorTerm) Token() uint64            { return t.token }

func (t *electorTerm) Resign(ctx context.Context) error {
	t.end()
	select {
	case <-t.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("leaderelection: resign: %w", context.Cause(ctx))
	}
}
