package discovery

import (
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"math"
	"sync"
	"time"

	"github.com/singleton-go/singleton/internal/lease"
	"github.com/singleton-go/singleton/internal/names"
)

// ErrObserver says that an observer registers nothing.
var ErrObserver = errors.New("an observer registers nothing")

// A Kind is what a unit is to the cluster.
type Kind string

// The kinds of units. Only a service has labels and endpoints.
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
	ID     string            // never to be used by another unit; a UUID is made where it is empty
}

// Each node is registered as a service of this name too.
const nodeService = "node"

// The longest value that every store takes.
const maxRecord = 1 << 20

// What an endpoint weighs beside others of its service, if nothing is said.
const defaultWeight = 100

// Register writes the record of a unit, in state [Init]. The record is written in the background, and again in every later
// session; nothing waits for it. The caller closes the registration when the unit is gone.
//
// It refuses a bad name or ID, labels of a worker, a service named "node", and labels beyond 1 MiB; an observer with
// [ErrObserver]; and after [Discovery.Close] with [election.ErrClosed].
func (d *Discovery) Register(u Unit) (*Registration, error) {
	if d.config.Observer {
		return nil, ErrObserver
	}
	if err := u.Check(); err != nil {
		return nil, err
	}
	return d.register(u, Init)
}

// Check says what [Discovery.Register] would refuse about the unit.
func (u Unit) Check() error {
	if u.Kind != Worker && u.Kind != Service {
		return fmt.Errorf("unit %q: Kind %q: must be %q or %q", u.Name, u.Kind, Worker, Service)
	}
	if err := names.Check(string(u.Kind), u.Name); err != nil {
		return err
	}
	if u.Kind == Service && u.Name == nodeService {
		return fmt.Errorf("service %q: every node has a service of this name", u.Name)
	}
	if u.Kind == Worker && len(u.Labels) > 0 {
		return fmt.Errorf("worker %q: Labels %v: only a service has labels", u.Name, u.Labels)
	}
	if u.ID != "" {
		if err := names.Check(string(u.Kind)+" "+u.Name+": ID", u.ID); err != nil {
			return err
		}
	}
	u.ID = newID()
	longest := &termRecord{Token: math.MaxUint64, Since: math.MaxInt64}
	if _, err := u.record(u.ID, math.MaxInt64, Error, longest); err != nil {
		return fmt.Errorf("%s %q: %w", u.Kind, u.Name, err)
	}
	return nil
}

func (d *Discovery) register(u Unit, state State) (*Registration, error) {
	if u.ID == "" {
		u.ID = newID()
	}
	key := d.key(string(u.Kind), u.ID)
	r := &Registration{
		d: d, service: u.Kind == Service, name: u.Name, id: key[len(key)-len(u.ID):], // one string for both
		started: unix(time.Now()), state: state,
	}
	if u.Alias != "" || len(u.Labels) > 0 {
		r.refined = &refinements{alias: u.Alias, labels: maps.Clone(u.Labels)}
	}
	var err error
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.claim, err = d.lease.RecordOf(key, r.record); err != nil {
		return nil, fmt.Errorf("register %s %s: %w", u.Kind, u.Name, err)
	}
	return r, nil
}

func (d *Discovery) key(kind, id string) string { return d.config.Prefix + "/" + kind + "/" + id }

// A Registration is the record of one unit, and those of its endpoints. It is safe for concurrent use. There may be very many.
type Registration struct {
	d       *Discovery
	name    string
	id      string
	refined *refinements // nil for none
	started number

	mu        sync.Mutex
	claim     *lease.Claim
	term      *termRecord
	published map[*Publication]bool // nil for none
	service   bool                  // or else a worker; never changes
	state     State
	closed    bool
}

// refinements are what few units have.
type refinements struct {
	alias  string
	labels map[string]string
}

func (r *Registration) unit() Unit {
	u := Unit{Kind: Worker, Name: r.name, ID: r.id}
	if r.service {
		u.Kind = Service
	}
	if r.refined != nil {
		u.Alias, u.Labels = r.refined.alias, r.refined.labels
	}
	return u
}

// ID returns the unit's ID. Its candidate should have the same.
func (r *Registration) ID() string { return r.id }

// Set writes the unit's state, and the token of the term that it works under, 0 for none. The time of the first call with a
// token is written as the term's begin. It returns at once: the record is written in the background, several changes as one,
// the last one always. After Close it does nothing.
func (r *Registration) Set(state State, token uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if state == r.state && token == r.term.token() {
		return
	}
	r.state = state
	switch {
	case token == 0:
		r.term = nil
	case token != r.term.token():
		r.term = &termRecord{Token: token, Since: unix(time.Now())}
	}
	r.claim.Changed()
}

// record is called when the record is written.
func (r *Registration) record() string {
	r.mu.Lock()
	state, term := r.state, r.term
	r.mu.Unlock()
	value, err := r.unit().record(r.d.id, r.started, state, term)
	if err != nil { // Check has seen a longer one
		r.d.log.Error("record has no JSON form", "unit", r.name, "err", err)
	}
	return value
}

func (u Unit) record(node string, start number, state State, term *termRecord) (string, error) {
	if u.Kind == Worker {
		return limited(workerRecord{u.Name, u.Alias, state, u.ID, node, start, term})
	}
	return limited(serviceRecord{u.Name, u.Alias, u.ID, node, state, start, u.Labels, term})
}

func limited(record any) (string, error) {
	value, err := encode(record)
	if err == nil && len(value) > maxRecord {
		err = fmt.Errorf("record of %d bytes: the limit is %d", len(value), maxRecord)
	}
	return value, err
}

// Publish writes the record of an endpoint, after that of its service. It returns at once, see [Discovery.Register]. It
// refuses an endpoint without protocol or address, a bad ID or one that this process uses already, an endpoint of a worker,
// and any after Close.
func (r *Registration) Publish(e Endpoint) (*Publication, error) {
	p, err := r.publish(e)
	if err != nil {
		return nil, fmt.Errorf("publish endpoint of %s %s: %w", r.unit().Kind, r.name, err)
	}
	return p, nil
}

func (r *Registration) publish(e Endpoint) (*Publication, error) {
	if err := e.Check(); err != nil {
		return nil, err
	}
	if !r.service {
		return nil, errors.New("only a service has endpoints")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, errors.New("its registration is closed")
	}
	record := r.endpoint(e)
	value, err := limited(record)
	if err != nil {
		return nil, err
	}
	claim, err := r.d.lease.RecordAfter(r.claim, r.d.key("endpoint", record.ID), value)
	if err != nil {
		return nil, err
	}
	p := &Publication{r: r, id: record.ID, claim: claim}
	if r.published == nil {
		r.published = map[*Publication]bool{}
	}
	r.published[p] = true
	return p, nil
}

// Check says what is wrong with the endpoint by itself; [Registration.Publish] refuses it then.
func (e Endpoint) Check() error {
	switch {
	case e.Protocol == "":
		return errors.New("Protocol: empty")
	case e.Address == "":
		return errors.New("Address: empty")
	case e.Weight < 0:
		return fmt.Errorf("Weight %d: must not be negative", e.Weight)
	case e.ID != "":
		return names.Check("ID", e.ID)
	}
	return nil
}

func (r *Registration) endpoint(e Endpoint) endpointRecord {
	record := endpointRecord{
		ID: e.ID, Protocol: e.Protocol, Endpoint: e.Address, State: e.State, Labels: e.Labels,
		Codecs: append([]string{}, e.Codecs...), TargetID: r.id, TargetName: r.name, Weight: number(e.Weight),
		Version: text(r.d.config.Version),
	}
	if e.ID == "" {
		record.ID = newID()
	}
	if e.State == 0 {
		record.State = Ready
	}
	if e.Weight == 0 {
		record.Weight = defaultWeight
	}
	return record
}

// Close removes the record, and those of the endpoints. It returns at once, and is safe to repeat.
func (r *Registration) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for p := range r.published {
		p.claim.Leave(nil)
	}
	clear(r.published)
	r.claim.Leave(nil)
}

// A Publication is the record of one endpoint.
type Publication struct {
	r     *Registration
	id    string
	claim *lease.Claim
}

// ID returns the endpoint's ID.
func (p *Publication) ID() string { return p.id }

// Gone is closed when the record was removed and is known to be gone.
func (p *Publication) Gone() <-chan struct{} { return p.claim.Gone() }

// Remove removes the record. It returns at once, and is safe to repeat. See [Publication.Gone].
func (p *Publication) Remove() {
	p.r.mu.Lock()
	defer p.r.mu.Unlock()
	delete(p.r.published, p)
	p.claim.Leave(nil)
}

// newID returns a UUID, version 4.
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
