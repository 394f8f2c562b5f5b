package peers

import (
	"context"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

type sessions struct {
	client *clientv3.Client
	o      Options
}

// Concurrency returns a candidate of package concurrency of etcd's client. Each Campaign opens a session of its own, as the
// package's examples do; the term's context is the session's.
func Concurrency(client *clientv3.Client, o Options) (Candidate, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("concurrency: %w", err)
	}
	return &sessions{client, o}, nil
}

func (c *sessions) Campaign(ctx context.Context) (Term, error) {
	// The session lives in a context of its own, since the term outlives ctx.
	alive, end := context.WithCancel(context.WithoutCancel(ctx))
	keep := context.AfterFunc(ctx, end)
	session, err := concurrency.NewSession(c.client, concurrency.WithTTL(int(c.o.TTL/time.Second)), concurrency.WithContext(alive))
	if err != nil {
		end()
		return nil, fmt.Errorf("concurrency: session: %w", err)
	}
	t := &sessionTerm{session: session, election: concurrency.NewElection(session, c.o.Name), end: end}
	err = t.election.Campaign(ctx, c.o.ID)
	if err == nil && keep() {
		return t, nil
	}
	if err == nil {
		err = context.Cause(ctx)
	}
	end()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.o.TTL)
	defer cancel()
	// The session's own context is over, so its lease is revoked by hand. What fails here expires.
	_, _ = c.client.Revoke(ctx, session.Lease())
	return nil, fmt.Errorf("concurrency: campaign: %w", err)
}

type sessionTerm struct {
	session  *concurrency.Session
	election *concurrency.Election
	end      context.CancelFunc
}

func (t *sessionTerm) Context() context.Context { return t.session.Ctx() }

// Token is the create revision of the candidate's key, as long as it is not negative, which it never is.
func (t *sessionTerm) Token() uint64 { return uint64(max(0, t.election.Rev())) }

func (t *sessionTerm) Resign(ctx context.Context) error {
	defer t.end()
	return errors.Join(t.election.Resign(ctx), t.session.Close())
}
