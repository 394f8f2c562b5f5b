package fileengine_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/enginetest"
	"github.com/singleton-go/singleton/engine/fileengine"
)

// ttl is what the suite waits for; the engine itself waits for none.
const ttl = 500 * time.Millisecond

func TestConformance(t *testing.T) {
	t.Parallel()
	enginetest.Run(t, enginetest.Harness{NewStore: brittleStore, TTL: ttl})
}

// TestConformanceWithoutFaults skips what needs faults, but sees the engine as it is: the wrapper copies values, for one.
func TestConformanceWithoutFaults(t *testing.T) {
	t.Parallel()
	enginetest.Run(t, enginetest.Harness{NewStore: bareStore, TTL: ttl})
}

func bareStore(t *testing.T) enginetest.Store {
	dir := filepath.Join(t.TempDir(), "store")
	return enginetest.Store{
		Connect: func(t *testing.T) enginetest.Conn {
			return enginetest.Conn{Engine: connect(t, dir), Lapse: lapse}
		},
		Rewind: func(t *testing.T) { replace(t, dir) },
	}
}

func brittleStore(t *testing.T) enginetest.Store {
	dir := filepath.Join(t.TempDir(), "store")
	kept := &openings{opened: map[string]engine.Session{}}
	store := enginetest.FaultyStore(func(t *testing.T) engine.Engine { return &keeping{connect(t, dir), kept} })
	inner := store.Connect
	store.Connect = func(t *testing.T) enginetest.Conn {
		c := inner(t)
		c.Lapse = func(t *testing.T, s engine.Session) { lapse(t, kept.get(s.ID())) }
		return c
	}
	store.Rewind = func(t *testing.T) { replace(t, dir) }
	return store
}

func connect(t testing.TB, dir string) *fileengine.Engine {
	t.Helper()
	e, err := fileengine.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func lapse(_ *testing.T, s engine.Session) { fileengine.Abandon(s) }

// replace puts a new directory in the place of the store's.
func replace(t *testing.T, dir string) {
	t.Helper()
	if err := os.Rename(dir, dir+".old"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
}
