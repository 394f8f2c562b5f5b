package discovery_test

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/election"
	"github.com/singleton-go/singleton/engine"
)

// shares checks what this process knows of the shares of these.
func (p *process) shares(want ...discovery.Share) {
	p.c.Helper()
	synctest.Wait()
	order := func(a, b discovery.Share) int { return cmp.Compare(a.Session, b.Session) }
	slices.SortFunc(want, order)
	got := p.Shares()
	slices.SortFunc(got, order)
	if !slices.Equal(got, want) {
		p.c.Errorf("the shares are %+v, want %+v", got, want)
	}
}

func TestSharesTellWhoLeadsHowManyUnits(t *testing.T) {
	inCluster(t, func(c *cluster) {
		a, b, looker := c.node("a"), c.node("b"), c.join(discovery.Config{Observer: true})
		takeBack, err := a.Share(1, 0)
		if err != nil {
			c.Fatal(err)
		}
		if _, err := b.Share(3, -2); err != nil {
			c.Fatal(err)
		}
		synctest.Wait()
		looker.shares(discovery.Share{Session: a.Session(), Weight: 1}, discovery.Share{Session: b.Session(), Weight: 3, Priority: -2})
		var last election.Term
		for _, name := range []string{"worker/1", "worker/2", "service/1", "mine"} { // the last one is no unit's
			var err error
			if last, err = a.Election(name).Campaign(c.Context()); err != nil {
				c.Fatal(err)
			}
			defer func(t election.Term) { _ = t.Resign(context.Background()) }(last)
		}
		theirs, err := b.Election("worker/3").Campaign(c.Context())
		if err != nil {
			c.Fatal(err)
		}
		four := discovery.Share{Session: b.Session(), Weight: 3, Priority: -2, Leads: 1}
		three := discovery.Share{Session: a.Session(), Weight: 1, Leads: 3}
		looker.shares(three, four)
		looker.conn.ResetWatches()
		looker.shares(three, four)
		if err := last.Resign(c.Context()); err != nil {
			c.Error(err)
		}
		looker.shares(three, four)
		takeBack()
		looker.shares(four)
		four.Leads = 0
		if err := theirs.Resign(c.Context()); err != nil {
			c.Error(err)
		}
		looker.shares(four)
		if err := b.Close(c.Context()); err != nil {
			c.Error(err)
		}
		looker.shares()
	})
}

func TestShareIsToldAgainInTheNextSession(t *testing.T) {
	inCluster(t, func(c *cluster) {
		a, looker := c.node("a"), c.join(discovery.Config{Observer: true})
		if _, err := a.Share(2, 1); err != nil {
			c.Fatal(err)
		}
		synctest.Wait()
		before := a.Session()
		heal := a.conn.Cut()
		time.Sleep(time.Minute)
		looker.shares()
		heal()
		time.Sleep(time.Minute)
		if a.Session() == before {
			c.Error("the session is the one before")
		}
		looker.shares(discovery.Share{Session: a.Session(), Weight: 2, Priority: 1})
	})
}

func TestShareThatSaysNothingIsNone(t *testing.T) {
	inCluster(t, func(c *cluster) {
		looker := c.join(discovery.Config{Observer: true})
		s, err := c.store.Open(c.Context(), engine.SessionOptions{TTL: time.Hour})
		if err != nil {
			c.Fatal(err)
		}
		for name, value := range map[string]string{
			s.ID(): `{"weight":0}`, "other": `{"weight":1}`, "": `{"weight":1}`, s.ID() + "/x": `{"weight":1}`,
		} {
			if _, err := s.Create(c.Context(), "election//t/share/"+name, []byte(value)); err != nil {
				c.Fatal(err)
			}
		}
		looker.shares()
	})
}

func TestWeightThatCannotBeIsRefused(t *testing.T) {
	inCluster(t, func(c *cluster) {
		a := c.node("a")
		for _, weight := range []int{-1, 0, math.MaxInt} {
			if _, err := a.Share(weight, 0); err == nil || !strings.Contains(err.Error(), "weight") {
				c.Errorf("weight %d: got %v, want an error that names it", weight, err)
			}
		}
	})
}
