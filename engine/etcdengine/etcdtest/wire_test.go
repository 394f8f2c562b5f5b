package etcdtest_test

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
)

// A wire is what a client's connections run over, and can fail in the ways in which networks do.
type wire struct {
	out, in, updates valve
	mu               sync.Mutex
	conns            map[*conn]struct{}
	opened           atomic.Int32 // connections ever made
}

func newWire() *wire { return &wire{conns: map[*conn]struct{}{}} }

// options are what a client needs to run over the wire.
func (w *wire) options() []grpc.DialOption {
	return []grpc.DialOption{grpc.WithContextDialer(w.dial), grpc.WithChainStreamInterceptor(w.intercept)}
}

// cut holds back what is sent and what is received. Afterwards all of it arrives late, as TCP would have it.
func (w *wire) cut(*testing.T) (heal func()) {
	w.out.shut()
	w.in.shut()
	return sync.OnceFunc(func() {
		w.out.open()
		w.in.open()
	})
}

// mute holds back what is received. Afterwards the connections are broken, so that none of it arrives.
func (w *wire) mute(*testing.T) (heal func()) {
	w.in.shut()
	return sync.OnceFunc(func() {
		w.drop()
		w.in.open()
	})
}

// stall holds back the messages of watches.
func (w *wire) stall(*testing.T) (heal func()) {
	w.updates.shut()
	return sync.OnceFunc(w.updates.open)
}

// drop breaks all connections.
func (w *wire) drop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		c.end()
	}
	clear(w.conns)
}

func (w *wire) dial(ctx context.Context, address string) (net.Conn, error) {
	if !w.out.wait(ctx.Done()) {
		return nil, ctx.Err()
	}
	inner, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	w.opened.Add(1)
	c := &conn{Conn: inner, wire: w, ended: make(chan struct{})}
	c.end = sync.OnceFunc(func() { close(c.ended); _ = inner.Close() })
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns[c] = struct{}{}
	return c, nil
}

// A conn is one connection over a wire.
type conn struct {
	net.Conn
	wire  *wire
	ended chan struct{}
	end   func()
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if !c.wire.in.wait(c.ended) {
		return 0, net.ErrClosed
	}
	return n, err
}

func (c *conn) Write(b []byte) (int, error) {
	if !c.wire.out.wait(c.ended) {
		return 0, net.ErrClosed
	}
	return c.Conn.Write(b)
}

func (c *conn) Close() error {
	c.end()
	return nil
}

func (w *wire) intercept(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string,
	streamer grpc.Streamer, opts ...grpc.CallOption,
) (grpc.ClientStream, error) {
	s, err := streamer(ctx, desc, cc, method, opts...)
	if err != nil || method != "/etcdserverpb.Watch/Watch" {
		return s, err
	}
	return &watchStream{ClientStream: s, updates: &w.updates}, nil
}

type watchStream struct {
	grpc.ClientStream
	updates *valve
}

func (s *watchStream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	s.updates.wait(s.Context().Done())
	return err
}

// A valve lets through, or makes wait.
type valve struct {
	mu     sync.Mutex
	opened chan struct{} // nil while it is open
}

func (v *valve) shut() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.opened == nil {
		v.opened = make(chan struct{})
	}
}

func (v *valve) open() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.opened != nil {
		close(v.opened)
		v.opened = nil
	}
}

// wait reports whether the valve was open, or was opened before the given end.
func (v *valve) wait(end <-chan struct{}) bool {
	v.mu.Lock()
	opened := v.opened
	v.mu.Unlock()
	if opened == nil {
		return true
	}
	select {
	case <-opened:
		return true
	case <-end:
		return false
	}
}
