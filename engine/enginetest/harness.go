// Package enginetest is the law for engines: one suite with a case for every duty of package engine.
//
// An engine's test calls [Run] with a [Harness] that makes stores and breaks connections. A case that fails says which duty
// was broken and what follows for those who rely on it.
package enginetest

import (
	"testing"
	"time"

	"github.com/singleton-go/singleton/engine"
)

// A Harness tells the suite how to make and to break an engine's stores.
type Harness struct {
	// NewStore returns a new, empty store. What it starts, it ends by t.Cleanup.
	NewStore func(t *testing.T) Store

	// TTL is the shortest time to live that the engine grants.
	TTL time.Duration

	// Bubble runs each case in a testing/synctest bubble: for engines that do no I/O. The others wait in real time.
	Bubble bool
}

// A Store is one store, and the ways to reach and to break it.
type Store struct {
	// Connect returns a new engine value on the store, as another process of the cluster would have.
	Connect func(t *testing.T) Conn

	// Rewind takes the store back to an older state, or replaces it, while its engines are connected. It is nil where no
	// operator could do such a thing.
	Rewind func(t *testing.T)

	// Compact makes the store forget its history, so that a watch that is behind can't resume. It is nil where the store
	// keeps no history.
	Compact func(t *testing.T)
}

// A Conn is one process's way to a store. Its faults hold until heal is called; they are nil where the engine has no
// connection that can fail.
type Conn struct {
	Engine engine.Engine

	// Cut stops everything, both ways. Requests under way may or may not have arrived.
	Cut func(t *testing.T) (heal func())

	// Mute lets requests through and loses what comes back: replies and updates.
	Mute func(t *testing.T) (heal func())

	// Stall holds back the updates of watches alone, as a stalled replica does; calls and their replies pass.
	Stall func(t *testing.T) (heal func())

	// Lapse makes a session of this connection end in the way in which it ends when its owner dies. It is nil where leaving
	// the session without renewal does that.
	Lapse func(t *testing.T, s engine.Session)
}
