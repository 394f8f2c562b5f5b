package discovery

import (
	"bytes"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"strings"
	"time"
)

// The records as they are in the store: field names, order and forms are those of the sora framework, and must stay. What
// other programs write is read with patience: unknown fields are ignored, and a value of another type is taken for what it
// can mean.

type nodeRecord struct {
	ID        string               `json:"id"`
	Alias     string               `json:"alias,omitempty"`
	Host      string               `json:"host"`
	PID       number               `json:"pid"`
	Endpoints []nodeEndpointRecord `json:"endpoints"`
	State     State                `json:"state"`
	StartTime number               `json:"startTime"`
	Versions  versionsRecord       `json:"versions"`
}

type versionsRecord struct {
	Framework text `json:"framework"`
	App       text `json:"app"`
}

type nodeEndpointRecord struct {
	ID       string   `json:"id"`
	Protocol string   `json:"protocol"`
	Endpoint string   `json:"endpoint"`
	State    State    `json:"state"`
	Labels   labels   `json:"labels"`
	Codecs   []string `json:"codecs"`
}

type serviceRecord struct {
	Name      string        `json:"name"`
	Alias     string        `json:"alias,omitempty"`
	ID        string        `json:"id"`
	NodeID    string        `json:"nodeId"`
	State     State         `json:"state"`
	StartTime number        `json:"startTime"`
	Labels    serviceLabels `json:"labels"`
	Term      *termRecord   `json:"term,omitempty"`
}

type workerRecord struct {
	Name      string      `json:"name"`
	Alias     string      `json:"alias,omitempty"`
	State     State       `json:"state"`
	ID        string      `json:"id"`
	NodeID    string      `json:"nodeId"`
	StartTime number      `json:"startTime"`
	Term      *termRecord `json:"term,omitempty"`
}

// A termRecord is an addition of ours.
type termRecord struct {
	Token uint64 `json:"token"`
	Since number `json:"since"` // unix seconds
}

type endpointRecord struct {
	ID         string   `json:"id"`
	Protocol   string   `json:"protocol"`
	Endpoint   string   `json:"endpoint"`
	State      State    `json:"state"`
	Labels     labels   `json:"labels"`
	Codecs     []string `json:"codecs"`
	TargetID   string   `json:"targetId"`
	TargetName string   `json:"targetName"`
	Weight     number   `json:"weight"`
	Version    text     `json:"version"`
}

// A number is a whole one; what another program wrote with a fraction is cut off.
type number int64

func (n *number) UnmarshalJSON(b []byte) error {
	var f float64
	err := json.Unmarshal(b, &f)
	*n = number(f)
	return err
}

func unix(t time.Time) number { return number(t.Unix()) }

// time of the zero number, which no program means, is the zero time.
func (n number) time() time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(int64(n), 0)
}

// A text is a string, or the JSON text of something else.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		s = string(b)
	}
	*t = text(s)
	return nil
}

// labels are an object, also when there are none.
type labels map[string]string

func (l labels) MarshalJSON() ([]byte, error) {
	if l == nil {
		return []byte("{}"), nil
	}
	return encodeBytes(map[string]string(l))
}

func (l *labels) UnmarshalJSON(b []byte) error {
	*l = nil
	if b[0] == '[' { // the other program's way to say none
		return nil
	}
	var texts map[string]text
	err := json.Unmarshal(b, &texts)
	for k, v := range texts {
		if *l == nil {
			*l = labels{}
		}
		(*l)[k] = string(v)
	}
	return err
}

// serviceLabels are an empty array when there are none.
type serviceLabels labels

func (l serviceLabels) MarshalJSON() ([]byte, error) {
	if len(l) == 0 {
		return []byte("[]"), nil
	}
	return labels(l).MarshalJSON()
}

func (l *serviceLabels) UnmarshalJSON(b []byte) error { return (*labels)(l).UnmarshalJSON(b) }

// encode returns v as JSON without spaces, and like JavaScript with no character escaped that needn't be.
func encode(v any) (string, error) {
	b, err := encodeBytes(v)
	return string(b), err
}

func encodeBytes(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// decode reads the record at kind/id as a [Node], an [Instance] or an [Endpoint].
func decode(kind, id string, value []byte) (v any, err error) {
	var is string
	switch kind {
	case "node":
		v, is, err = read(value, nodeRecord.value)
	case "service":
		v, is, err = read(value, serviceRecord.value)
	case "worker":
		v, is, err = read(value, workerRecord.value)
	case "endpoint":
		v, is, err = read(value, endpointRecord.value)
	default:
		return nil, fmt.Errorf("unknown kind %q", kind)
	}
	if err == nil && is != id {
		err = fmt.Errorf("says that its ID is %q", is)
	}
	return v, err
}

func read[R, V any](value []byte, of func(R) (V, string)) (any, string, error) {
	var r R
	if err := json.Unmarshal(value, &r); err != nil {
		return nil, "", err
	}
	v, id := of(r)
	return v, id, nil
}

func (r nodeRecord) value() (Node, string) {
	n := Node{
		ID: r.ID, Name: r.Alias, Host: r.Host, PID: int(r.PID), State: r.State, Started: r.StartTime.time(),
		Framework: string(r.Versions.Framework), Version: string(r.Versions.App),
	}
	if n.Name == "" {
		n.Name = r.Host
	}
	for _, e := range r.Endpoints {
		n.Endpoints = append(n.Endpoints, Endpoint{
			ID: e.ID, Protocol: e.Protocol, Address: e.Endpoint, State: e.State, Labels: e.Labels, Codecs: e.Codecs,
		})
	}
	return n, r.ID
}

func (r serviceRecord) value() (Instance, string) {
	return Instance{
		Kind: Service, ID: r.ID, Name: r.Name, Alias: r.Alias, NodeID: r.NodeID, State: r.State,
		Started: r.StartTime.time(), Labels: r.Labels, Token: r.Term.token(), Since: r.Term.since(),
	}, r.ID
}

func (r workerRecord) value() (Instance, string) {
	return Instance{
		Kind: Worker, ID: r.ID, Name: r.Name, Alias: r.Alias, NodeID: r.NodeID, State: r.State,
		Started: r.StartTime.time(), Token: r.Term.token(), Since: r.Term.since(),
	}, r.ID
}

func (r endpointRecord) value() (Endpoint, string) {
	return Endpoint{
		ID: r.ID, Protocol: r.Protocol, Address: r.Endpoint, State: r.State, Labels: r.Labels, Codecs: r.Codecs,
		ServiceID: r.TargetID, Service: r.TargetName, Weight: int(r.Weight), Version: string(r.Version),
	}, r.ID
}

func (t *termRecord) token() uint64 {
	if t == nil {
		return 0
	}
	return t.Token
}

func (t *termRecord) since() time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.Since.time()
}

const module = "github.com/singleton-go/singleton"

// framework is this library and its version, as far as the build knows it.
func framework() string {
	version := "devel"
	if b, ok := debug.ReadBuildInfo(); ok {
		for _, m := range append(b.Deps, &b.Main) {
			if m.Path == module && m.Version != "" {
				version = strings.Trim(m.Version, "()")
			}
		}
	}
	return "singleton-go/" + version
}
