package discovery

import (
	"fmt"
	"os"
	"time"

	"github.com/singleton-go/singleton/internal/lease"
)

// A node is this process as others see it: a record of its own, and one as a service.
type node struct {
	record  nodeRecord
	claim   *lease.Claim
	service *Registration
}

func (d *Discovery) registerNode() (*node, error) {
	host := hostName()
	alias := d.config.Node
	if alias == host {
		alias = ""
	}
	n := &node{record: nodeRecord{
		ID: d.id, Alias: alias, Host: host, PID: number(os.Getpid()), Endpoints: []nodeEndpointRecord{}, State: Ready,
		StartTime: unix(time.Now()), Versions: versionsRecord{Framework: text(framework()), App: text(d.config.Version)},
	}}
	value, err := limited(n.record)
	if err == nil {
		n.claim, err = d.lease.Record(d.key("node", d.id), value)
	}
	if err != nil {
		return nil, fmt.Errorf("register node: %w", err)
	}
	n.service, err = d.register(Unit{Kind: Service, Name: nodeService, Alias: alias, ID: d.id}, Ready)
	if err != nil {
		return nil, err
	}
	return n, nil
}

// stopping tells others that the node is on its way out.
func (n *node) stopping() {
	n.service.Set(Stopping, 0)
	record := n.record
	record.State = Stopping
	if value, err := limited(record); err == nil {
		n.claim.Set(value)
	}
}
