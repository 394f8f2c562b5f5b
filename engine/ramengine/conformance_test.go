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

func newStore(*testing.T) enginetest.Store {
	root := ramengine.New()
	store := enginetest.FaultyStore(func(*testing.T) engine.Engine { return root.Connect() })
	store.Rewind = func(*testing.T) { root.Rewind() }
	return store
}
