package election_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton/election"
	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/ramengine"
	"github.com/singleton-go/singleton/internal/lease"
)

func start(t *testing.T, eng engine.Engine, owner string) *lease.Lease {
	t.Helper()
	l, err := lease.Start(lease.Config{Engine: eng, Range: "election//t/", Owner: owner,
		Timing: lease.Timing{}.WithDefaults(), Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return l
}

func TestSmoke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := ramengine.New()
		a := election.New(start(t, eng, "a"), "x", "id-a")
		b := election.New(start(t, eng, "b"), "x", "id-b")
		ta, err := a.Campaign(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		won := make(chan election.Term)
		go func() {
			tb, err := b.Campaign(t.Context())
			if err != nil {
				t.Error(err)
			}
			won <- tb
		}()
		time.Sleep(time.Minute)
		if err := ta.Check(); err != nil {
			t.Fatal(err)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Minute); defer cancel(); if err := a.Ask(short, election.Wish{}); err == nil {
			t.Log("asked")
		}
		_ = ta.Resign(t.Context())
		tb := <-won
		if tb.Token() <= ta.Token() || !errors.Is(ta.Err(), election.ErrResigned) {
			t.Fatal(ta.Token(), tb.Token(), ta.Err())
		}
		_ = tb.Resign(t.Context())
	})
}
