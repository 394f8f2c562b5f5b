package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/singleton-go/singleton/discovery"
)

// elected finds the election that a person means: by its full name, or as the worker, service or direct election of this
// name. It must have a candidate, since nobody keeps a list of elections without one.
func elected(c discovery.Cluster, name string) (discovery.Election, error) {
	if e, ok := c.Election(name); ok {
		return e, nil
	}
	var found []discovery.Election
	for _, kind := range []discovery.Kind{discovery.Worker, discovery.Service} {
		if e, ok := c.Election(string(kind) + "/" + name); ok {
			found = append(found, e)
		}
	}
	switch len(found) {
	case 0:
		return discovery.Election{}, fmt.Errorf("%s: nobody leads, and nobody waits", name)
	case 1:
		return found[0], nil
	}
	return discovery.Election{}, fmt.Errorf("%s: could be %s or %s: say which", name, found[0].Name, found[1].Name)
}

// person is a candidate as people know it: its node, or what a foreign candidate wrote.
func person(c discovery.Cluster, w discovery.Candidate) string {
	if n, ok := c.Node(w.NodeID); ok {
		return n.String()
	}
	if w.ID != "" {
		return printable(w.ID)
	}
	return "session " + w.Session
}

// printable keeps what another program wrote from moving the cursor.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || 0x80 <= r && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}

// nodesOf lists the nodes that wait in an election, for completion and for errors.
func nodesOf(c discovery.Cluster, e discovery.Election) []string {
	var list []string
	for _, w := range e.Waiting {
		if n, ok := c.Node(w.NodeID); ok {
			list = append(list, n.String())
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}
