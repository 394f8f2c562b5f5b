package ramengine_test

import (
	"testing"
	"time"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/enginetest"
	"github.com/singleton-go/singleton/engine/ramengine"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	enginetest.Run(t, enginetest.Harness{NewStore: newStore, TTL: 2 * time.Second, Bubble: true})
}

// TestConformanceWithoutFaults skips what needs faults, but sees the engine as it is: the wrapper copies values, for one.
func TestConformanceWithoutFaults(t *testing.T) {
	t.Parallel()
	bare := func(*testing.T) enginetest.Store {
		root := ramengine.New()
		return enginetest.Store{
			Connect: func(*testing.T) enginetest.Conn { return enginetest.Conn{Engine: root.Connect()} },
			Rewind:  func(*testing.T) { root.Rewind() },
		}
	}
	enginetest.Run(t, enginetest.Harness{NewStore: bare, TTL: 2 * time.Second, Bubble: true})
}

func newStore(*testing.T) enginetest.Store {
	root := ramengine.New()
	store := enginetest.FaultyStore(func(*testing.T) engine.Engine { return root.Connect() })
	store.Rewind = func(*testing.T) { root.Rewind() }
	return store
}
