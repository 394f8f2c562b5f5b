package ramengine_test

import (
	"testing"
	"time"

	"github.com/singleton-go/singleton/engine/enginetest"
	"github.com/singleton-go/singleton/engine/ramengine"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	enginetest.Run(t, enginetest.Harness{NewStore: newStore, TTL: 2 * time.Second, Bubble: true})
}

// newStore breaks connections by wrapping them, for memory itself has none.
func newStore(*testing.T) enginetest.Store {
	root := ramengine.New()
	var conns []*enginetest.Faulty
	return enginetest.Store{
		Connect: func(t *testing.T) enginetest.Conn {
			f := enginetest.NewFaulty(root.Connect())
			t.Cleanup(f.Close)
			conns = append(conns, f)
			return enginetest.Conn{
				Engine: f,
				Cut:    func(*testing.T) func() { return f.Cut() },
				Mute:   func(*testing.T) func() { return f.Mute() },
				Stall:  func(*testing.T) func() { return f.Stall() },
			}
		},
		Rewind: func(*testing.T) { root.Rewind() },
		Compact: func(*testing.T) {
			for _, f := range conns { // who lost the place in the history begins anew
				f.ResetWatches()
			}
		},
	}
}
