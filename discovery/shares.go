package discovery

import (
	"encoding/json"
	"fmt"

	"github.com/singleton-go/singleton/internal/lease"
)

// A Share is the part that one process takes, or wants to take, of all that the workers and services of the cluster do. Units are
// handed over until all have theirs: among the processes of the highest priority that there is, as their weights say.
type Share struct {
	Session  string // of the process
	Weight   int    // beside the others; at least 1
	Priority int
	Leads    int // how many workers and services it leads now
}

// MaxWeight is the highest weight of a [Share].
const MaxWeight = 1_000_000

// shareRecord is a share in the store.
type shareRecord struct {
	Weight   int `json:"weight"`
	Priority int `json:"priority,omitempty"`
}

// Session returns the ID of this process's present session; empty while there is none. Others name it in a wish.
func (d *Discovery) Session() string { return d.lease.Session() }

// Share tells all others what part this process wants, until it takes that back or this process has left. It returns at
// once, and refuses a weight that is not 1 to [MaxWeight], and after [Discovery.Close] with [election.ErrClosed].
func (d *Discovery) Share(weight, priority int) (takeBack func(), err error) {
	if weight < 1 || weight > MaxWeight {
		return nil, fmt.Errorf("share: weight %d: must be 1 to %d", weight, MaxWeight)
	}
	text, _ := json.Marshal(shareRecord{Weight: weight, Priority: priority}) // numbers always have a JSON form
	claim, err := d.lease.Share(string(text))
	if err != nil {
		return nil, fmt.Errorf("share: %w", err)
	}
	return func() { claim.Leave(nil) }, nil
}

// Shares returns the shares of all processes that want one, as far as this process knows, in no order. It asks nobody, and takes no
// time that grows with the number of units.
func (d *Discovery) Shares() []Share {
	var all []Share
	for _, p := range d.lease.Parts() {
		if r, ok := readShare(p); ok {
			all = append(all, Share{Session: p.Session, Weight: r.Weight, Priority: r.Priority, Leads: p.Leads})
		}
	}
	return all
}

func readShare(p lease.Part) (r shareRecord, ok bool) {
	return r, json.Unmarshal([]byte(p.Value), &r) == nil && r.Weight >= 1 && r.Weight <= MaxWeight
}
