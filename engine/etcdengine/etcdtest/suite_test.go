package etcdtest_test

import (
	"path/filepath"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"

	"github.com/singleton-go/singleton/engine/enginetest"
	"github.com/singleton-go/singleton/engine/etcdengine"
	"github.com/singleton-go/singleton/engine/etcdengine/etcdtest"
)

func TestLaw(t *testing.T) {
	enginetest.Run(t, enginetest.Harness{NewStore: newStore, TTL: etcdtest.MinTTL})
}

// newStore starts a member with a copy of its data from just before anything happened.
func newStore(t *testing.T) enginetest.Store {
	t.Helper()
	m := start(t)
	copied := filepath.Join(t.TempDir(), "copy")
	m.Stop()
	try(t, m.Save(copied))
	try(t, m.Start())
	return enginetest.Store{
		Connect: func(t *testing.T) enginetest.Conn {
			w := newWire()
			return enginetest.Conn{Engine: etcdengine.New(dial(t, m, w)), Cut: w.cut, Mute: w.mute, Stall: w.stall}
		},
		Rewind:  func(t *testing.T) { try(t, m.Rewind(copied)) },
		Compact: func(t *testing.T) { try(t, m.Compact(t.Context())) },
	}
}

func start(t testing.TB, adjust ...func(*embed.Config)) *etcdtest.Member {
	t.Helper()
	m, err := etcdtest.Start(t.TempDir(), adjust...)
	try(t, err)
	t.Cleanup(m.Stop)
	return m
}

// dial returns a client over a wire; nil stands for a plain one.
func dial(t testing.TB, m *etcdtest.Member, w *wire) *clientv3.Client {
	t.Helper()
	if w == nil {
		w = newWire()
	}
	client, err := m.Client(w.options()...)
	try(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func try(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
