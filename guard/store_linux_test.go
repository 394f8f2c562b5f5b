package guard_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/rpc"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/ramengine"
)

// A store lives in the test's process and serves others on a socket. Each session has one record there.
type store struct {
	*ramengine.Engine

	socket string

	mu       sync.Mutex
	listener net.Listener
	conns    []net.Conn
}

func newStore(t *testing.T) *store {
	t.Helper()
	s := &store{Engine: ramengine.New(), socket: filepath.Join(t.TempDir(), "store")}
	s.come(t)
	t.Cleanup(s.leave)
	return s
}

// come makes the store reachable.
func (s *store) come(t *testing.T) {
	t.Helper()
	if s.listener != nil {
		_ = s.listener.Close()
	}
	l, err := net.Listen("unix", s.socket)
	if err != nil {
		t.Fatal(err)
	}
	server := rpc.NewServer()
	if err := server.RegisterName("Store", (*service)(s)); err != nil {
		t.Fatal(err)
	}
	s.listener = l
	go func() { // until leave
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, c)
			s.mu.Unlock()
			go server.ServeConn(c)
		}
	}()
}

// leave makes the store unreachable.
func (s *store) leave() {
	_ = s.listener.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		_ = c.Close()
	}
	s.conns = nil
}

// refuse is a store that nobody can use. Each try to reach it sends on the channel.
func (s *store) refuse(t *testing.T) <-chan struct{} {
	t.Helper()
	l, err := net.Listen("unix", s.socket)
	if err != nil {
		t.Fatal(err)
	}
	s.listener = l
	tries := make(chan struct{})
	go func() { // until come or leave
		defer close(tries)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
			select {
			case tries <- struct{}{}:
			case <-t.Context().Done():
			}
		}
	}()
	return tries
}

// awaitGone waits until the session has ended.
func (s *store) awaitGone(t *testing.T, id string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	live := false
	for u, err := range s.Watch(ctx, engine.WatchOptions{Prefix: "session/"}) {
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range u.Changes {
			if c.Record.Key == "session/"+id {
				live = !c.Deleted
			}
		}
		if !live {
			return
		}
	}
	t.Fatalf("session %s lives on", id)
}

// lives says whether the session has not ended.
func (s *store) lives(t *testing.T, id string) bool {
	t.Helper()
	for u, err := range s.Watch(t.Context(), engine.WatchOptions{Prefix: "session/" + id}) {
		return err == nil && len(u.Changes) > 0
	}
	return false
}

// A service is what the socket offers.
type service store

func (s *service) Ping(struct{}, *struct{}) error { return nil }

func (s *service) Open(ttl time.Duration, id *string) error {
	session, err := s.Engine.Open(context.Background(), engine.SessionOptions{TTL: ttl})
	if err != nil {
		return err
	}
	*id = session.ID()
	_, err = session.Create(context.Background(), "session/"+*id, nil)
	return err
}

func (s *service) End(id string, _ *struct{}) error { return s.Engine.End(context.Background(), id) }

// A remote is the engine on a store in another process.
type remote struct {
	engine.Engine

	socket string
}

func dial(socket string) (*remote, error) {
	r := &remote{socket: socket}
	return r, r.call("Ping", struct{}{}, &struct{}{})
}

func (r *remote) call(method string, arg, reply any) error {
	if _, err := os.Stat(filepath.Dir(r.socket)); errors.Is(err, fs.ErrNotExist) {
		os.Exit(1) // the test is over: no guard is to try for the rest of the TTL
	}
	client, err := rpc.Dial("unix", r.socket)
	if err != nil {
		return err
	}
	defer client.Close()
	return client.Call("Store."+method, arg, reply)
}

func (r *remote) Open(_ context.Context, o engine.SessionOptions) (engine.Session, error) {
	s := &remoteSession{remote: r, ttl: o.TTL}
	return s, r.call("Open", o.TTL, &s.id)
}

func (r *remote) End(_ context.Context, id string) error { return r.call("End", id, &struct{}{}) }

type remoteSession struct {
	engine.Session

	remote *remote
	id     string
	ttl    time.Duration
}

func (s *remoteSession) ID() string { return s.id }

func (s *remoteSession) TTL() time.Duration { return s.ttl }

func (s *remoteSession) Close(ctx context.Context) error { return s.remote.End(ctx, s.id) }
