package real

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"sync"
	"time"
)

// A message is what a node tells the process that runs the torture.
type message struct {
	Kind      string `json:"k"`
	Node      string `json:"n,omitempty"` // of a hello, as the next two
	Life      int    `json:"l,omitempty"`
	Contender string `json:"c,omitempty"`
	Token     uint64 `json:"t,omitempty"`
	Start     int64  `json:"s,omitempty"`
	End       int64  `json:"e,omitempty"`
}

// What a message tells.
const (
	hello  = "hello"  // the first on each connection
	begin  = "begin"  // a runner has started
	effect = "effect" // a runner has an effect; this is answered when both sinks have taken it or refused
	finish = "finish" // a runner returns
	stall  = "stall"  // the process was not running
)

// A sinkConn is a node's way to the sinks.
type sinkConn struct {
	net.Conn

	mu sync.Mutex
	in *bufio.Reader
}

// dial opens the way for one contender, or for the node itself.
func (s nodeSpec) dial(contender string) (*sinkConn, error) {
	conn, err := net.Dial("unix", s.Sink)
	if err != nil {
		return nil, err
	}
	c := &sinkConn{Conn: conn, in: bufio.NewReader(conn)}
	return c, c.tell(message{Kind: hello, Node: s.Name, Life: s.Life, Contender: contender})
}

func (c *sinkConn) tell(m message) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.Write(append(text, '\n')); err != nil {
		return fmt.Errorf("sink: %w", err)
	}
	if m.Kind != effect {
		return nil
	}
	if _, err := c.in.ReadByte(); err != nil {
		return fmt.Errorf("sink: %w", err)
	}
	return nil
}

// effectTakes is how long an effect is in the making; nobody looks at the context meanwhile.
const effectTakes = 20 * time.Millisecond

// work is the runner of all contenders: one effect after the other until ctx ends. A refusal by the fence does not end it, so that the
// sink without one shows for how long a leader goes on.
func (c *sinkConn) work(ctx context.Context, token uint64) error {
	if ctx.Err() != nil {
		return context.Cause(ctx) // the term was over before it began
	}
	if err := c.tell(message{Kind: begin, Token: token, Start: now()}); err != nil {
		return err
	}
	for ctx.Err() == nil {
		start := now()
		time.Sleep(effectTakes)
		if err := c.tell(message{Kind: effect, Token: token, Start: start, End: now()}); err != nil {
			return err
		}
	}
	if err := c.tell(message{Kind: finish, Token: token, End: now()}); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// stalls reports when this process did not run for longer than the margin, until quit is closed.
func stalls(quit <-chan struct{}, margin time.Duration, report func(span)) {
	t := time.NewTicker(margin / 10)
	defer t.Stop()
	for last := now(); ; {
		select {
		case <-quit:
			return
		case <-t.C:
		}
		at := now()
		if time.Duration(at-last) > margin {
			report(span{last, at})
		}
		last = at
	}
}
