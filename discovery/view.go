package discovery

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/singleton-go/singleton/internal/lease"
)

// cluster puts together what is known now, and says whether that is anything.
func (d *Discovery) cluster() (c Cluster, loaded bool) {
	if _, loaded = d.lease.Head(""); !loaded {
		return c, false
	}
	asOf := d.lease.AsOf()
	views, seen := d.tenures.look(d.lease)
	ro, loaded := d.registry.roster(&c)
	if !loaded {
		return c, false
	}
	if asOf.Before(c.AsOf) {
		c.AsOf = asOf
	}
	c.Elections = make([]Election, 0, len(views))
	for name, v := range views {
		e := ro.election(name, v.Candidates)
		e.Seen = seen[name].since
		c.Elections = append(c.Elections, e)
	}
	ro.name(c.Services)
	ro.name(c.Workers)
	c.sort()
	return c, true
}

// A roster finds the nodes that candidates belong to.
type roster struct {
	nodes    map[string]string // names by ID
	sessions map[string]string // IDs of nodes by session
	units    map[string]Instance
}

// roster copies the mirror into c, and says whether there is one.
func (r *registry) roster(c *Cluster) (roster, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mirror == nil || !r.mirror.loaded {
		return roster{}, false
	}
	ro := roster{nodes: map[string]string{}, sessions: map[string]string{}, units: map[string]Instance{}}
	for _, it := range r.mirror.items {
		ro.add(c, it)
	}
	c.AsOf = r.mirror.asOf
	return ro, true
}

func (ro roster) add(c *Cluster, it item) {
	switch v := it.value.(type) {
	case Node:
		v.Session = it.session
		c.Nodes = append(c.Nodes, v)
		ro.nodes[v.ID] = v.Name
		ro.sessions[it.session] = v.ID
	case Endpoint:
		c.Endpoints = append(c.Endpoints, v)
	case Instance:
		switch {
		case v.Kind == Worker:
			c.Workers = append(c.Workers, v)
		case v.ID == v.NodeID: // the node itself
			return
		default:
			c.Services = append(c.Services, v)
		}
		ro.units[v.ID] = v
	}
}

func (ro roster) name(list []Instance) {
	for i := range list {
		list[i].Node = ro.nodes[list[i].NodeID]
	}
}

// election tells who leads and who waits. There is at least one candidate.
func (ro roster) election(name string, entries []lease.Entry) Election {
	candidates := make([]Candidate, len(entries))
	for i, e := range entries {
		candidates[i] = ro.candidate(e)
	}
	e := Election{Name: name, Leader: candidates[0], Waiting: candidates[1:]}
	if u := ro.units[e.Leader.ID]; u.Token == e.Leader.Token {
		e.Since = u.Since
	}
	return e
}

// candidate finds the node by the session, which all records of one of our processes share. In other programs candidates have
// sessions of their own, and are found by what they wrote: the ID of a unit, or of the node.
func (ro roster) candidate(e lease.Entry) Candidate {
	c := Candidate{ID: e.Value, Session: e.Session, Token: e.Created, NodeID: ro.sessions[e.Session]}
	if c.NodeID == "" {
		c.NodeID = ro.units[e.Value].NodeID
	}
	if _, ok := ro.nodes[e.Value]; ok && c.NodeID == "" {
		c.NodeID = e.Value
	}
	c.Node = ro.nodes[c.NodeID]
	return c
}

func (c Cluster) sort() {
	slices.SortFunc(c.Nodes, func(a, b Node) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), a.Started.Compare(b.Started), strings.Compare(a.ID, b.ID))
	})
	for _, list := range [][]Instance{c.Services, c.Workers} {
		slices.SortFunc(list, func(a, b Instance) int {
			return cmp.Or(strings.Compare(a.Name, b.Name), a.Started.Compare(b.Started), strings.Compare(a.ID, b.ID))
		})
	}
	slices.SortFunc(c.Endpoints, func(a, b Endpoint) int {
		return cmp.Or(strings.Compare(a.Service, b.Service), strings.Compare(a.Address, b.Address), strings.Compare(a.ID, b.ID))
	})
	slices.SortFunc(c.Elections, func(a, b Election) int { return strings.Compare(a.Name, b.Name) })
}

// tenures remembers since when each leader has been seen.
type tenures struct {
	mu   sync.Mutex
	seen map[string]tenure // by election; never changed, but replaced
}

type tenure struct {
	token uint64
	since time.Time
}

// look returns who stands in each election, and since when its leader has been seen. All who look do so one after the other,
// so that none brings older news than the one before.
func (t *tenures) look(l *lease.Lease) (map[string]lease.View, map[string]tenure) {
	t.mu.Lock()
	defer t.mu.Unlock()
	views := l.Elections()
	seen := make(map[string]tenure, len(views))
	for name, v := range views {
		at := t.seen[name]
		if token := v.Candidates[0].Created; at.token != token {
			at = tenure{token, time.Now()}
		}
		seen[name] = at
	}
	t.seen = seen
	return views, seen
}
