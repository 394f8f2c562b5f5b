package discovery

import (
	"crypto/rand"
	"errors"
	"fmt"
)

// ErrObserver says that an observer registers nothing.
var ErrObserver = errors.New("an observer registers nothing")

// A Kind is what a unit is to the cluster.
type Kind string

// The kinds of units. Only a service has endpoints.
const (
	Worker  Kind = "worker"
	Service Kind = "service"
)

// A Unit is what is registered for others to see.
type Unit struct {
	Kind   Kind              // Worker or Service; required
	Name   string            // ASCII letters, digits, '.', '_', '-', up to 200; required
	Alias  string            // for people
	Labels map[string]string // of a service, for those who choose among several
	ID     string            // a UUID; made where it is empty
}

// Register writes the record of a unit, in state [Init]. The record is written in the background, and again in every later
// session; nothing waits for it. The caller closes the registration when the unit is gone.
func (d *Discovery) Register(u Unit) (*Registration, error) {
	return nil, errors.New("not yet")
}

// A Registration is the record of one unit, and those of its endpoints. It is safe for concurrent use.
type Registration struct{ id string }

// ID returns the unit's ID, which is also that of its candidate.
func (r *Registration) ID() string { return r.id }

// Set writes the unit's state, and the token of the term that it works under, 0 for none. The time of the first call with a
// token is written as the term's begin. It returns at once: the record is written in the background, several changes as one,
// the last one always. After Close it does nothing.
func (r *Registration) Set(state State, token uint64) {}

// Publish writes the record of an endpoint, after that of its service. It returns at once, see [Discovery.Register]. It refuses
// an endpoint without protocol or address, an ID that is taken, and an endpoint of a worker.
func (r *Registration) Publish(e Endpoint) (*Publication, error) { return nil, errors.New("not yet") }

// Close removes the record, and those of the endpoints. It returns at once, and is safe to repeat.
func (r *Registration) Close() {}

// A Publication is the record of one endpoint.
type Publication struct{ id string }

// ID returns the endpoint's ID.
func (p *Publication) ID() string { return p.id }

// Remove removes the record. It returns at once, and is safe to repeat.
func (p *Publication) Remove() {}

// newID returns a UUID, version 4.
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

type node struct{}

func (d *Discovery) registerNode() (*node, error) { return &node{}, nil }
func (n *node) set(State)                         {}
