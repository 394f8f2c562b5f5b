package discovery_test

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/election"
)

// A server is a process that leads one service for as long as it is told to, and publishes its address in between.
type server struct {
	*process
	reg  *discovery.Registration
	term election.Term
	pub  *discovery.Publication
}

func (c *cluster) server(node string) *server {
	c.Helper()
	p := c.node(node)
	return &server{process: p, reg: p.register(discovery.Unit{Kind: discovery.Service, Name: "ledger"})}
}

func (s *server) lead() {
	s.c.Helper()
	term, err := s.Election("service/ledger", election.WithID(s.reg.ID())).Campaign(s.c.Context())
	if err != nil {
		s.c.Fatal(err)
	}
	s.term = term
	s.c.Cleanup(func() { _ = term.Resign(context.Background()) })
}

func (s *server) publish(address string, token uint64) {
	s.c.Helper()
	e := discovery.Endpoint{Protocol: "http", Address: address}
	if token != 0 {
		e.Labels = map[string]string{discovery.TokenLabel: strconv.FormatUint(token, 10)}
	}
	pub, err := s.reg.Publish(e)
	if err != nil {
		s.c.Fatal(err)
	}
	s.pub = pub
}

func (s *server) resign() {
	s.c.Helper()
	if err := s.term.Resign(s.c.Context()); err != nil {
		s.c.Error(err)
	}
}

// A trail is what one follower has been told, as "address/token".
type trail struct {
	c    *cluster
	seen []string
	last discovery.Target
}

func (p *process) trail(service string) *trail {
	t := &trail{c: p.c}
	ctx, cancel := context.WithCancel(p.c.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for target, err := range p.Follow(ctx, service) {
			if err != nil {
				p.c.Error(err)
			}
			t.last = target
			t.seen = append(t.seen, addresses(target))
		}
	}()
	p.c.Cleanup(func() { cancel(); <-done })
	synctest.Wait()
	return t
}

func addresses(t discovery.Target) (s string) {
	for _, e := range t.Endpoints {
		s += e.Address
	}
	return s
}

// mustHave compares all that was yielded so far, and forgets it.
func (t *trail) mustHave(want ...string) {
	t.c.Helper()
	synctest.Wait()
	if !slices.Equal(t.seen, want) {
		t.c.Errorf("yielded %q, want %q", t.seen, want)
	}
	t.seen = nil
}

func TestFollowYieldsEachTermOnceItIsReady(t *testing.T) {
	inCluster(t, func(c *cluster) {
		a, b := c.server("a"), c.server("b")
		f := c.join(discovery.Config{Observer: true}).trail("ledger")
		f.mustHave("")
		a.lead()
		f.mustHave()
		a.publish("a:1", a.term.Token())
		f.mustHave("a:1")
		if f.last.Token != a.term.Token() {
			t.Errorf("token %d, want %d", f.last.Token, a.term.Token())
		}
		a.pub.Remove()
		f.mustHave("")
		a.resign()
		b.lead()
		b.publish("a:1", b.term.Token())
		f.mustHave("a:1")
		if f.last.Token != b.term.Token() {
			t.Errorf("token %d at the same address, want %d", f.last.Token, b.term.Token())
		}
		b.resign()
		f.mustHave("")
	})
}

func TestFollowNeverLeadsBackToAnOlderTerm(t *testing.T) {
	inCluster(t, func(c *cluster) {
		a, b := c.server("a"), c.server("b")
		f := c.join(discovery.Config{Observer: true}).trail("ledger")
		a.lead()
		a.publish("a:1", a.term.Token())
		f.mustHave("", "a:1")
		a.resign() // and leaves its endpoint behind
		f.mustHave("")
		b.lead()
		f.mustHave()
		b.publish("b:1", b.term.Token())
		f.mustHave("b:1")
		a.publish("a:2", a.term.Token())
		f.mustHave()
	})
}

func TestFollowKeepsTheTargetWhileTheStoreIsAway(t *testing.T) {
	inCluster(t, func(c *cluster) {
		a := c.server("a")
		p := c.join(discovery.Config{Observer: true})
		f := p.trail("ledger")
		a.lead()
		a.publish("a:1", a.term.Token())
		f.mustHave("", "a:1")
		heal := p.conn.Cut()
		time.Sleep(time.Hour)
		f.mustHave()
		heal()
		time.Sleep(time.Minute)
		f.mustHave()
	})
}

func TestFollowTakesAnEndpointWithoutTokenForTheLeadersThatItNames(t *testing.T) {
	inCluster(t, func(c *cluster) {
		a, b := c.server("a"), c.server("b")
		f := c.join(discovery.Config{Observer: true}).trail("ledger")
		a.lead()
		b.publish("b:1", 0) // not the leader's
		f.mustHave("")
		a.publish("a:1", 0)
		f.mustHave("a:1")
	})
}

func TestFollowersAreWokenByTheirOwnServiceAlone(t *testing.T) {
	inCluster(t, func(c *cluster) {
		a := c.server("a")
		p := c.join(discovery.Config{Observer: true})
		f, other := p.trail("ledger"), p.trail("other")
		f.mustHave("")
		a.lead()
		a.publish("a:1", a.term.Token())
		f.mustHave("a:1")
		other.mustHave("")
	})
}

func TestFollowRefusesABadName(t *testing.T) {
	inCluster(t, func(c *cluster) {
		for _, err := range c.node("a").Follow(c.Context(), "a/b") {
			if err == nil {
				t.Error("no error")
			}
		}
	})
}
