package demo

import "github.com/singleton-go/singleton/engine"

// A stage is where the play is given: a store, and what nodes are made of.
type stage interface {
	setting() setting

	// store is the observer's own way to the store.
	store() engine.Engine

	// enter starts a node of this name.
	enter(name string) (actor, error)

	// failed is closed when the stage can't go on; why then says why.
	failed() <-chan struct{}
	why() error

	// close ends all that is left, and removes every trace.
	close() error
}

// An actor is a node on the stage.
type actor interface {
	kill() error      // it ends at once, and tells nobody
	terminate() error // it ends in order
	pause() error     // it stops where it stands
	resume() error

	// ended is closed when it has ended; err then says how, and is nil if that was in order.
	ended() <-chan struct{}
	err() error
}

// A setting is what there is to say about a stage.
type setting struct {
	words     string
	url       string // of the store, if others can reach it
	dir       string // where its files are
	simulated bool
}
