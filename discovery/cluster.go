package discovery

import (
	"strconv"
	"time"
)

// A Cluster is what this process knows of the cluster at one moment. Its maps, and the slices within its parts, are shared
// with others who look and must not be changed.
type Cluster struct {
	Nodes     []Node     // by name, then by start
	Services  []Instance // by name, then by start; the record that each node has as a service is left out
	Workers   []Instance // by name, then by start
	Endpoints []Endpoint // by service, then by address
	Elections []Election // by name; those that have a candidate

	// AsOf is when this was sure to be complete, on this process's clock. It falls behind while the store is out of reach.
	AsOf time.Time
}

// A Node is one process, from its start to its end.
type Node struct {
	ID        string
	Name      string // for people; not unique
	Host      string
	PID       int
	State     State
	Started   time.Time // to the second, on its own clock
	Framework string    // what it is built with, and its version
	Version   string    // of its program
	Endpoints []Endpoint
	Session   string // that its records belong to
}

// String returns the node's name and process ID, as in "build-1/4711".
func (n Node) String() string { return n.Name + "/" + strconv.Itoa(n.PID) }

// An Instance is one unit of one node: a service or a worker that is ready, or waits its turn.
type Instance struct {
	Kind    Kind
	ID      string
	Name    string
	Alias   string
	NodeID  string
	Node    string // the node's name; empty while its record is not seen
	State   State
	Started time.Time         // when it was installed; to the second, on its node's clock
	Labels  map[string]string // of a service
	Token   uint64            // of the term that it works under, if it says so
	Since   time.Time         // when that began; to the second, on its node's clock
}

// An Endpoint is where a service can be reached.
type Endpoint struct {
	ID        string // a UUID; Publish makes one where it is empty
	Protocol  string // as "grpc" or "http"; required
	Address   string // as "10.0.0.7:9090"; required
	Labels    map[string]string
	Codecs    []string
	Weight    int    // how many calls it shall get beside others; Publish writes 100 where it is 0
	State     State  // Publish writes Ready where it is 0
	ServiceID string // filled in by Publish
	Service   string // the service's name, filled in by Publish
	Version   string // of the program, filled in by Publish
}

// An Election is who leads and who waits.
type Election struct {
	Name    string
	Leader  Candidate
	Waiting []Candidate // in their order

	// Since is when the present term began, to the second, on the leader's clock. It is zero where the leader hasn't said it,
	// as candidates of other libraries never do.
	Since time.Time

	// Seen is since when this process has known this leader, which is no earlier than its own first look.
	Seen time.Time
}

// A Candidate leads or waits.
type Candidate struct {
	ID      string // what it wrote: the ID of a unit or a node, or of a foreign candidate anything
	Session string
	Token   uint64 // the fencing token of its term, now or when its turn comes
	NodeID  string // empty where no node is known for it
	Node    string // the node's name
}

// Node returns the node with this ID.
func (c Cluster) Node(id string) (Node, bool) {
	for _, n := range c.Nodes {
		if n.ID == id {
			return n, true
		}
	}
	return Node{}, false
}

// Election returns the election of this name, or a zero one where nobody leads.
func (c Cluster) Election(name string) (Election, bool) {
	for _, e := range c.Elections {
		if e.Name == name {
			return e, true
		}
	}
	return Election{}, false
}
