package discovery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/singleton-go/singleton/election"
	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/internal/lease"
	"github.com/singleton-go/singleton/internal/names"
)

// Config says who this process is in which cluster. Only Prefix is required.
type Config struct {
	// Prefix names the cluster: all processes with the same prefix on the same store belong together. It stands byte for byte
	// before all keys, and is printable ASCII without spaces, up to 200 bytes, with no slash at its end. A prefix that is the
	// beginning of another has nothing to do with it.
	Prefix string

	// Node is the name of this process for people; printable text. The default is the host's name. Several processes may
	// have the same.
	Node string

	// Version is the version of the program, for people. It may be empty.
	Version string

	// Observer makes a process that only looks: it registers nothing, and opens no session until it makes a wish or enters an
	// election.
	Observer bool

	// Timing holds the durations that leadership rests on. The zero Timing is the default.
	Timing Timing

	// Logger gets what a person may want to know. With nil nothing is logged.
	Logger *slog.Logger
}

// Timing holds the durations that leadership rests on. A zero field means its default. All processes of a cluster may have
// their own.
//
// This process trusts its session up to TTL x (1 - Drift) - Margin after it sent the last renewal that succeeded. One Drain
// before that lies the stop line, where every term ends by itself. With the defaults it lies 6 s after the renewal was sent.
// [Open] refuses a combination under which a runner could outlast its session, or one slow answer would cost leadership:
// Renewal + CallTimeout + Drain + Margin must not be more than TTL x (1 - Drift).
type Timing struct {
	// TTL is how long the session outlives its last renewal in the store, and so how long leadership stays vacant after a
	// process has crashed; default 10 s, at least 100 ms. A store may grant more.
	TTL time.Duration

	// Renewal is the time from one renewal to the next; default TTL/4.
	Renewal time.Duration

	// CallTimeout bounds one call of the store; default TTL/10.
	CallTimeout time.Duration

	// Drain is how long a runner has to return after leadership was lost; default TTL/4. It does not bound a planned stop.
	Drain time.Duration

	// Margin lies between the end of the drain and the earliest moment at which the store can give leadership to another; it
	// covers the delays of this machine. Default TTL/20.
	Margin time.Duration

	// Drift is by how much the rates of two clocks may differ, as a share; default 0.1, which covers clocks that are being
	// slewed. It must be below 1.
	Drift float64
}

// A Discovery is one process's view of the cluster, and its way into it. It is safe for concurrent use.
type Discovery struct {
	config Config
	id     string
	log    *slog.Logger
	lease  *lease.Lease
	node   *node // nil for an observer

	registry registry
	tenures  tenures
}

// Open begins to take part in the cluster. It checks the config and returns at once: the session is opened and the node
// registered in the background, and again whenever the store was away. An error names the field and its value.
//
// The caller keeps owning the engine and closes the Discovery before it.
func Open(e engine.Engine, c Config) (*Discovery, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	if e == nil {
		return nil, fmt.Errorf("discovery: no engine")
	}
	d := &Discovery{config: c, id: newID(), log: c.Logger}
	d.lease, err = lease.Start(lease.Config{
		Engine: e, Range: "election/" + c.Prefix + "/", Owner: c.Node, Timing: lease.Timing(c.Timing), Logger: c.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	d.registry = registry{
		follower: lease.Follower{Engine: e, Prefix: c.Prefix + "/", Timing: d.lease.Timing(), Logger: c.Logger},
		lease:    d.lease,
		lookers:  map[string]map[*looker]bool{},
	}
	if !c.Observer {
		d.node, err = d.registerNode()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("discovery: %w", err), d.Close(context.Background()))
	}
	return d, nil
}

func (c Config) withDefaults() (Config, error) {
	if err := names.CheckPrefix(c.Prefix); err != nil {
		return c, err
	}
	if c.Node == "" {
		c.Node = hostName()
	}
	if !printable(c.Node) {
		return c, fmt.Errorf("Node %q: must be printable", c.Node)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Timing = Timing(lease.Timing(c.Timing).WithDefaults())
	return c, lease.Timing(c.Timing).Check()
}

// printable says whether people can read a text, each in the same way.
func printable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

func hostName() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "unknown"
	}
	return name
}

// Close leaves the cluster. All terms end with cause [election.ErrClosed]; Close waits until their runners have returned,
// then ends the session, with which all records vanish at once. When ctx ends first it returns an error, and the session
// expires by itself, since work under it may still be running. Whoever still observes gets [election.ErrClosed] when the
// session has ended. Closing again waits for the first time to be through.
func (d *Discovery) Close(ctx context.Context) error {
	if d.node != nil {
		d.node.stopping()
	}
	defer d.registry.close()
	return d.lease.Close(ctx)
}

// NodeID returns the ID of this process, a UUID that is new with every [Open]. An observer has one too, which nobody sees.
func (d *Discovery) NodeID() string { return d.id }

// Timing returns the durations in force, defaults filled in.
func (d *Discovery) Timing() Timing { return Timing(d.lease.Timing()) }

// Election returns the election of this name: "worker/NAME" and "service/NAME" are those of units, any other NAME is a
// direct election. The candidate's ID is the node's unless [election.WithID] says otherwise. A bad name or option is
// reported by every method of the election.
func (d *Discovery) Election(name string, o ...election.Option) *election.Election {
	return election.New(d.lease, name, d.id, o...)
}

// Trust says for how long from now on this process can hold what it leads without any answer of the store: the time to the
// stop line, 0 when it has passed or while there is no session. The error says why no session is opened any more, if so: the
// store is not the one that it was, and this process will not lead again until it is started anew.
func (d *Discovery) Trust() (time.Duration, error) { return d.lease.Trust() }

// Alive returns an error if this process can't take part in the cluster any more until it is started anew: what keeps its session,
// or tells of changes, stands still; or the store is not the one that it was; or the Discovery is closed. A store that is out
// of reach is none of these. It is for health checks, and costs next to nothing. When ctx ends first, that is an error too.
func (d *Discovery) Alive(ctx context.Context) error { return d.lease.Alive(ctx) }
