package discovery_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/election"
	"github.com/singleton-go/singleton/engine"
)

// A trio is a leader, two that wait, and somebody who only looks and asks.
type trio struct {
	*cluster
	a, b, d, asker *process
}

func (c *cluster) trio() *trio {
	c.Helper()
	t := &trio{cluster: c, a: c.node("a"), b: c.node("b"), d: c.node("d"), asker: c.join(discovery.Config{Observer: true})}
	for _, p := range []*process{t.a, t.b, t.d} {
		p.stand("m")
	}
	return t
}

func (t *trio) transfer(to string) error { return t.asker.Transfer(t.Context(), "m", to) }

func (t *trio) mustFail(err error, want error, says ...string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
		return
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("error %q doesn't say %q", err, s)
		}
	}
}

// during asks in the background; the function that it returns waits for the answer.
func during(ask func() error) (answer func() error) {
	done := make(chan error, 1)
	go func() { done <- ask() }()
	synctest.Wait()
	return func() error { return <-done }
}

func TestResignHandsOverToTheNext(t *testing.T) {
	inCluster(t, func(c *cluster) {
		x := c.trio()
		x.asker.mustQueue("m", "a", "b", "d")
		if err := x.asker.Resign(c.Context(), "m"); err != nil {
			c.Error(err)
		}
		synctest.Wait()
		x.asker.mustQueue("m", "b", "d", "a")
	})
}

func TestTransferHandsOverToTheNode(t *testing.T) {
	t.Parallel()
	for name, of := range map[string]func(x *trio) string{
		"by its name":         func(*trio) string { return "d" },
		"by its ID":           func(x *trio) string { return x.d.NodeID() },
		"by its name and PID": func(x *trio) string { n, _ := x.asker.look().Node(x.d.NodeID()); return n.String() },
	} {
		t.Run(name, func(t *testing.T) {
			inCluster(t, func(c *cluster) {
				x := c.trio()
				if err := x.transfer(of(x)); err != nil {
					c.Error(err)
				}
				synctest.Wait()
				if got := queue(x.asker.look(), "m"); len(got) != 3 || got[0] != "d" {
					c.Errorf("queue %v, want d at its head", got)
				}
			})
		})
	}
}

func TestTransferToTheUnitOfANode(t *testing.T) {
	inCluster(t, func(c *cluster) {
		original(c) // leads worker/sync with an ID that is its unit's
		p, asker := c.node("a"), c.join(discovery.Config{Observer: true})
		p.stand("worker/sync")
		asker.mustQueue("worker/sync", "ts-1", "a")
		err := asker.Transfer(c.Context(), "worker/sync", "a")
		if !errors.Is(err, election.ErrUnanswered) {
			c.Errorf("error %v, want %v: the original's leader takes no wishes", err, election.ErrUnanswered)
		}
	})
}

func TestTransferToWhomItCannotGo(t *testing.T) {
	inCluster(t, func(c *cluster) {
		x := c.trio()
		twin1, twin2 := c.node("twin"), c.node("twin")
		twin1.stand("m")
		c.node("idle")
		synctest.Wait()
		x.mustFail(x.transfer("nobody"), discovery.ErrUnknownNode, "m", `"nobody"`)
		x.mustFail(x.transfer(""), discovery.ErrUnknownNode)
		x.mustFail(x.transfer("twin"), discovery.ErrAmbiguous, twin1.NodeID(), twin2.NodeID())
		x.mustFail(x.transfer("idle"), discovery.ErrNotWaiting, `"idle"`)
		x.mustFail(x.transfer("a"), election.ErrRefused, "leads already")
		x.mustFail(x.asker.Transfer(c.Context(), "other", "a"), election.ErrVacant)
		x.mustFail(x.asker.Resign(c.Context(), "other"), election.ErrVacant)
		for _, name := range []string{"worker", "a/b", ""} {
			if x.asker.Transfer(c.Context(), name, "a") == nil || x.asker.Resign(c.Context(), name) == nil {
				c.Errorf("a wish to %q was not refused", name)
			}
		}
		x.asker.mustQueue("m", "a", "b", "d", "twin")
		if err := x.transfer(twin1.NodeID()); err != nil {
			c.Error(err)
		}
	})
}

func TestTransferIsRefusedWhereForeignCandidatesAreAhead(t *testing.T) {
	inCluster(t, func(c *cluster) {
		x := c.trio()
		late := c.node("late")
		tool := c.foreign()
		r := c.put(tool, "election//t/singleton/m/99", "etcdctl on box")
		original(c)
		synctest.Wait()
		late.stand("m")
		x.mustFail(x.transfer("late"), election.ErrRefused, `"etcdctl on box"`, tool.ID())
		if err := x.transfer("d"); err != nil {
			c.Errorf("to one ahead of the foreign candidate: %v", err)
		}
		if err := tool.Delete(c.Context(), r); err != nil {
			c.Fatal(err)
		}
		synctest.Wait()
		if err := x.transfer("late"); err != nil {
			c.Error(err)
		}
	})
}

// A node of the original has a candidate in a session of its own, and follows no wishes.
func TestTransferIsRefusedWhereAnOriginalCandidateIsAhead(t *testing.T) {
	inCluster(t, func(c *cluster) {
		a, late := c.node("a"), c.node("late")
		a.stand("worker/sync")
		original(c)
		synctest.Wait()
		late.stand("worker/sync")
		a.mustQueue("worker/sync", "a", "ts-1", "late")
		err := a.Transfer(c.Context(), "worker/sync", "late")
		if !errors.Is(err, election.ErrRefused) || !strings.Contains(err.Error(), "ts-1") {
			c.Errorf("error %v, want a refusal that names ts-1", err)
		}
		if err := a.Transfer(c.Context(), "worker/sync", "ts-1"); err != nil {
			c.Errorf("to the original's node: %v", err)
		}
	})
}

func TestTransferIsRefusedWhereCandidatesAheadDoNotMakeWay(t *testing.T) {
	inCluster(t, func(c *cluster) {
		x := c.trio()
		defer x.b.conn.Stall()() // b renews its session, and hears nothing
		x.mustFail(x.transfer("d"), election.ErrRefused, "did not make way")
		x.asker.mustQueue("m", "a", "b", "d")
	})
}

func TestTransferExpiresWithTheTermThatItWasFor(t *testing.T) {
	inCluster(t, func(c *cluster) {
		x := c.trio()
		defer x.b.conn.Stall()()
		answer := during(func() error { return x.transfer("d") })
		time.Sleep(time.Second)
		n, _ := x.asker.look().Node(x.a.NodeID())
		if err := engine.End(c.Context(), c.store, n.Session); err != nil {
			c.Fatal(err)
		}
		x.mustFail(answer(), election.ErrExpired)
	})
}

func TestSecondWishIsPendingUntilTheFirstIsDone(t *testing.T) {
	inCluster(t, func(c *cluster) {
		a, b := c.node("a"), c.node("b")
		goOn := make(chan struct{})
		led := during(func() error {
			return a.Election("m").Lead(c.Context(), func(ctx context.Context, _ election.Term) error {
				<-ctx.Done()
				<-goOn
				return nil
			})
		})
		b.stand("m")
		x := &trio{cluster: c, asker: c.join(discovery.Config{Observer: true})}
		answer := during(func() error { return x.transfer("b") })
		x.mustFail(c.join(discovery.Config{Observer: true}).Transfer(c.Context(), "m", "b"), election.ErrPending)
		x.mustFail(x.transfer("b"), election.ErrPending)
		x.mustFail(b.Resign(c.Context(), "m"), election.ErrPending)
		close(goOn)
		if err := answer(); err != nil {
			c.Error(err)
		}
		if err := led(); err != nil {
			c.Error(err)
		}
	})
}

func TestWishOfOneWhoGivesUpVanishes(t *testing.T) {
	inCluster(t, func(c *cluster) {
		x := c.trio()
		defer x.a.conn.Stall()() // the leader hears nothing
		gone := errors.New("gone home")
		ctx, cancel := context.WithTimeoutCause(c.Context(), 2*time.Second, gone)
		defer cancel()
		x.mustFail(x.asker.Transfer(ctx, "m", "b"), gone)
		synctest.Wait()
		for key := range c.records() {
			if strings.Contains(key, "/wish/") {
				c.Errorf("%s is left", key)
			}
		}
	})
}

func TestForeignLeaderDoesNotAnswer(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.put(c.foreign(), "election//t/singleton/m/99", "etcdctl")
		b := c.node("b")
		b.stand("m")
		x := &trio{cluster: c, asker: c.join(discovery.Config{Observer: true})}
		x.mustFail(x.transfer("b"), election.ErrUnanswered)
		x.mustFail(x.asker.Resign(c.Context(), "m"), election.ErrUnanswered)
	})
}
