package enginetest

import (
	"sync"
	"testing"

	"github.com/singleton-go/singleton/engine"
)

// FaultyStore returns a store whose connections break by [Faulty], for engines that have no connection of their own that a
// test could break. Its connections lie over the engines that connect returns. Compact makes every watch begin anew, as one does
// that has lost its place in the history. The caller adds Rewind where there is such a thing, and runs the suite once more
// without the wrapper, which hides that an engine keeps a value that the caller goes on to change.
func FaultyStore(connect func(t *testing.T) engine.Engine) Store {
	var mu sync.Mutex
	var all []*Faulty
	return Store{
		Connect: func(t *testing.T) Conn {
			f := NewFaulty(connect(t))
			t.Cleanup(f.Close)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, f)
			return Conn{
				Engine: f,
				Cut:    func(*testing.T) func() { return f.Cut() },
				Mute:   func(*testing.T) func() { return f.Mute() },
				Stall:  func(*testing.T) func() { return f.Stall() },
			}
		},
		Compact: func(*testing.T) {
			mu.Lock()
			defer mu.Unlock()
			for _, f := range all {
				f.ResetWatches()
			}
		},
	}
}
