package discovery_test

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/enginetest"
)

func TestRegisterRefusesWhatIsNoUnit(t *testing.T) {
	inCluster(t, func(c *cluster) {
		p := c.node("a")
		service := discovery.Unit{Kind: discovery.Service, Name: "s"}
		for want, u := range map[string]discovery.Unit{
			`Kind "": must be`:            {Name: "w"},
			`Kind "replica": must be`:     {Kind: "replica", Name: "w"},
			`worker: empty`:               {Kind: discovery.Worker},
			`service "a/b"`:               {Kind: discovery.Service, Name: "a/b"},
			`service "node": every node`:  {Kind: discovery.Service, Name: "node"},
			`worker "w": Labels map[a:b]`: {Kind: discovery.Worker, Name: "w", Labels: map[string]string{"a": "b"}},
			`worker w: ID "x/y"`:          {Kind: discovery.Worker, Name: "w", ID: "x/y"},
			`service "s": record of`:      {Kind: discovery.Service, Name: "s", Labels: map[string]string{"a": strings.Repeat("x", 1<<20)}},
		} {
			if _, err := p.Register(u); err == nil || !strings.Contains(err.Error(), want) {
				c.Errorf("error %v, want one that says %q", err, want)
			}
		}
		s, w := p.register(service), p.register(discovery.Unit{Kind: discovery.Worker, Name: "w"})
		ok := discovery.Endpoint{Protocol: "tcp", Address: "x", ID: "E"}
		if _, err := s.Publish(ok); err != nil {
			c.Fatal(err)
		}
		for want, e := range map[string]discovery.Endpoint{
			"Protocol: empty": {Address: "x"}, "Address: empty": {Protocol: "x"}, "Weight -1": {Protocol: "x", Address: "x", Weight: -1},
			`ID "/"`: {Protocol: "x", Address: "x", ID: "/"}, "already claimed": ok,
		} {
			if _, err := s.Publish(e); err == nil || !strings.Contains(err.Error(), want) {
				c.Errorf("error %v, want one that says %q", err, want)
			}
		}
		if _, err := w.Publish(ok); err == nil || !strings.Contains(err.Error(), "only a service") {
			c.Errorf("endpoint of a worker: %v", err)
		}
		s.Close()
		ok.ID = ""
		if _, err := s.Publish(ok); err == nil || !strings.Contains(err.Error(), "closed") {
			c.Errorf("endpoint of a closed registration: %v", err)
		}
	})
}

// What is accepted can be written in every state, under the longest token.
func TestLabelsThatLeaveNoRoomForTheTermAreRefused(t *testing.T) {
	inCluster(t, func(c *cluster) {
		p := c.node("a")
		unit := func(size int) discovery.Unit {
			return discovery.Unit{Kind: discovery.Service, Name: "s", Labels: map[string]string{"l": strings.Repeat("x", size)}}
		}
		room := sort.Search(1<<20, func(size int) bool { return unit(size).Check() != nil }) - 1
		if _, err := p.Register(unit(room + 1)); err == nil {
			c.Error("a record that is too long was not refused")
		}
		s := p.register(unit(room))
		s.Set(discovery.Error, math.MaxUint64)
		synctest.Wait()
		if value := c.records()["/t/service/"+s.ID()]; !strings.Contains(value, fmt.Sprint(uint64(math.MaxUint64))) {
			c.Errorf("of the longest record that is allowed, %d bytes were written, and not the term", len(value))
		}
	})
}

func TestSetNeverWaitsAndTheLastStateArrives(t *testing.T) {
	inCluster(t, func(c *cluster) {
		p := c.node("a")
		r := p.register(discovery.Unit{Kind: discovery.Worker, Name: "w", ID: "W"})
		synctest.Wait()
		var mu sync.Mutex
		replaced := 0
		p.conn.Decide(func(call enginetest.Call) enginetest.Fate {
			mu.Lock()
			defer mu.Unlock()
			if call.Op != enginetest.OpReplace {
				return enginetest.Fate{}
			}
			replaced++
			return enginetest.Fate{Request: 100 * time.Millisecond}
		})
		begun := time.Now()
		for range 100 {
			r.Set(discovery.Ready, 1)
			r.Set(discovery.Stopping, 1)
			synctest.Wait()
		}
		if waited := time.Since(begun); waited != 0 {
			c.Errorf("Set waited %v", waited)
		}
		time.Sleep(time.Second)
		if got := p.look().Workers[0].State; got != discovery.Stopping {
			c.Errorf("state %v, want the last one", got)
		}
		if replaced > 2 {
			c.Errorf("%d writes for 200 changes within one, want 2", replaced)
		}
	})
}

func TestStateThatChangedWhileCutOffArrivesAfterwards(t *testing.T) {
	inCluster(t, func(c *cluster) {
		p, other := c.node("a"), c.node("b")
		r := p.register(discovery.Unit{Kind: discovery.Worker, Name: "w"})
		synctest.Wait()
		heal := p.conn.Cut()
		r.Set(discovery.Ready, 0)
		time.Sleep(2 * time.Second)
		if got := other.look().Workers[0].State; got != discovery.Init {
			c.Errorf("state %v while cut off", got)
		}
		heal()
		time.Sleep(5 * time.Second)
		if got := other.look().Workers[0].State; got != discovery.Ready {
			c.Errorf("state %v, want ready", got)
		}
	})
}

func TestRegistrationSurvivesTheSession(t *testing.T) {
	inCluster(t, func(c *cluster) {
		p := c.node("a")
		s := p.register(discovery.Unit{Kind: discovery.Service, Name: "s", ID: "S"})
		p.register(discovery.Unit{Kind: discovery.Worker, Name: "w", ID: "W"})
		if _, err := s.Publish(discovery.Endpoint{Protocol: "tcp", Address: "x", ID: "E"}); err != nil {
			c.Fatal(err)
		}
		s.Set(discovery.Pending, 0)
		synctest.Wait()
		before := c.records()
		s.Set(discovery.Ready, 0)
		synctest.Wait()
		node, _ := p.look().Node(p.NodeID())
		if err := engine.End(c.Context(), c.store, node.Session); err != nil {
			c.Fatal(err)
		}
		synctest.Wait()
		if now := c.records(); len(now) != 0 {
			c.Errorf("the store has %v after its session's end", now)
		}
		time.Sleep(10 * time.Second)
		before["/t/service/S"] = strings.Replace(before["/t/service/S"], `"state":2`, `"state":3`, 1)
		c.mustHold("/t/", before)
		if n, _ := p.look().Node(p.NodeID()); n.Session == node.Session || n.Session == "" {
			c.Errorf("session %q, want another than %q", n.Session, node.Session)
		}
	})
}

// Peers drop an endpoint whose service they have not seen.
func TestServiceIsWrittenBeforeItsEndpoints(t *testing.T) {
	inCluster(t, func(c *cluster) {
		p := c.node("a")
		attempt := 0
		var mu sync.Mutex
		p.conn.Decide(func(call enginetest.Call) enginetest.Fate {
			mu.Lock()
			defer mu.Unlock()
			if call.Op == enginetest.OpCreate && call.Key == "/t/service/S" {
				attempt++
				return enginetest.Fate{Dropped: attempt%3 != 0}
			}
			return enginetest.Fate{}
		})
		s := p.register(discovery.Unit{Kind: discovery.Service, Name: "s", ID: "S"})
		for _, id := range []string{"E1", "E2"} {
			if _, err := s.Publish(discovery.Endpoint{Protocol: "tcp", Address: "x", ID: id}); err != nil {
				c.Fatal(err)
			}
		}
		for range 2 {
			time.Sleep(20 * time.Second)
			created := map[string]uint64{}
			var session string
			for u, err := range c.store.Watch(c.Context(), engine.WatchOptions{Prefix: "/t/"}) {
				if err != nil {
					c.Fatal(err)
				}
				for _, change := range u.Changes {
					created[change.Record.Key], session = change.Record.Created, change.Record.Session
				}
				break
			}
			for _, id := range []string{"E1", "E2"} {
				if service, e := created["/t/service/S"], created["/t/endpoint/"+id]; service == 0 || e < service {
					c.Errorf("endpoint %s has number %d, its service %d", id, e, service)
				}
			}
			if err := engine.End(c.Context(), c.store, session); err != nil {
				c.Fatal(err)
			}
		}
		time.Sleep(20 * time.Second)
	})
}

func TestCloseOfARegistrationRemovesItsRecords(t *testing.T) {
	inCluster(t, func(c *cluster) {
		p := c.node("a")
		synctest.Wait()
		before := slices.Sorted(maps.Keys(c.records()))
		s := p.register(discovery.Unit{Kind: discovery.Service, Name: "s", ID: "S"})
		var published []*discovery.Publication
		for range 2 {
			e, err := s.Publish(discovery.Endpoint{Protocol: "tcp", Address: "x"})
			if err != nil {
				c.Fatal(err)
			}
			published = append(published, e)
		}
		synctest.Wait()
		if got := len(c.records()); got != len(before)+3 {
			c.Errorf("%d records, want 3 more than %d", got, len(before))
		}
		published[0].Remove()
		published[0].Remove()
		synctest.Wait()
		if _, there := c.records()["/t/endpoint/"+published[0].ID()]; there || len(c.records()) != len(before)+2 {
			c.Errorf("after one endpoint was removed: %v", c.records())
		}
		s.Close()
		synctest.Wait()
		if got := slices.Sorted(maps.Keys(c.records())); !slices.Equal(got, before) {
			c.Errorf("%v, want %v", got, before)
		}
		s.Close()
		s.Set(discovery.Ready, 1)
		published[1].Remove()
		synctest.Wait()
		if got := slices.Sorted(maps.Keys(c.records())); !slices.Equal(got, before) {
			c.Errorf("%v, want %v", got, before)
		}
		p.register(discovery.Unit{Kind: discovery.Service, Name: "s", ID: s.ID()}).Close()
	})
}

func TestObserverRegistersNothing(t *testing.T) {
	inCluster(t, func(c *cluster) {
		c.node("a")
		p := c.join(discovery.Config{Observer: true})
		p.conn.Decide(func(call enginetest.Call) enginetest.Fate {
			if call.Op != enginetest.OpWatch && call.Op != enginetest.OpUpdate {
				c.Errorf("an observer sent %+v", call)
			}
			return enginetest.Fate{}
		})
		if _, err := p.Register(discovery.Unit{Kind: discovery.Worker, Name: "w"}); !errors.Is(err, discovery.ErrObserver) {
			c.Errorf("register: %v, want %v", err, discovery.ErrObserver)
		}
		time.Sleep(time.Hour)
		if got := p.look().Nodes; len(got) != 1 || got[0].Name != "a" {
			c.Errorf("nodes %v, want a", got)
		}
	})
}
