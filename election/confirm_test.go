package election_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/singleton-go/singleton/election"
	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/enginetest"
	"github.com/singleton-go/singleton/engine/ramengine"
)

func TestConfirmAsksTheStoreWhetherTheTermIsHeld(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before func(t *testing.T, store *ramengine.Engine, conn *enginetest.Faulty, leader election.Leader)
		lost   bool // the term, and the error says so
		fails  bool // without a word on the term
	}{
		"held": {before: func(*testing.T, *ramengine.Engine, *enginetest.Faulty, election.Leader) {}},
		"the session was ended, and the watch is silent": {
			lost: true,
			before: func(t *testing.T, store *ramengine.Engine, conn *enginetest.Faulty, leader election.Leader) {
				t.Cleanup(conn.Stall())
				if err := engine.End(t.Context(), store, leader.Session); err != nil {
					t.Error(err)
				}
			},
		},
		"the store is away": {
			fails: true,
			before: func(t *testing.T, _ *ramengine.Engine, conn *enginetest.Faulty, _ election.Leader) {
				t.Cleanup(conn.Cut())
			},
		},
		"the watch is silent": {
			fails: true,
			before: func(t *testing.T, _ *ramengine.Engine, conn *enginetest.Faulty, _ election.Leader) {
				t.Cleanup(conn.Stall())
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *ramengine.Engine) {
				conn := enginetest.NewFaulty(store.Connect())
				t.Cleanup(conn.Close)
				e := election.New(closeAfter(t, startLease(t, conn, "a")), "m", "a")
				term, err := e.Campaign(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = term.Resign(context.Background()) })
				leader, err := e.Leader(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				c.before(t, store, conn, leader)
				time.Sleep(time.Millisecond) // so that nothing known before will do
				ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
				defer cancel()
				err = term.Confirm(ctx)
				if errors.Is(err, election.ErrLost) != c.lost || (err != nil) != (c.lost || c.fails) {
					t.Errorf("confirm: %v", err)
				}
				if lost := term.Err(); (lost != nil) != c.lost {
					t.Errorf("term: %v", lost)
				}
			})
		})
	}
	if err := (election.Term{}).Confirm(t.Context()); !errors.Is(err, election.ErrLost) {
		t.Errorf("nobody's term: %v", err)
	}
}
