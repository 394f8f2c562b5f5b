package election_test

import (
	"context"
	"log/slog"
	"testing"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/internal/lease"
)

// startLease begins a process's lease, with the default timing.
func startLease(t *testing.T, eng engine.Engine, owner string) *lease.Lease {
	t.Helper()
	l, err := lease.Start(lease.Config{
		Engine: eng, Range: "election//t/", Owner: owner, Timing: lease.Timing{}.WithDefaults(),
		Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// closeAfter closes the lease at the end of the test.
func closeAfter(t *testing.T, l *lease.Lease) *lease.Lease {
	t.Cleanup(func() {
		if err := l.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return l
}
