package lease_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/enginetest"
	"github.com/singleton-go/singleton/engine/ramengine"
	"github.com/singleton-go/singleton/internal/lease"
)

// registrar is a process that only writes records, on a connection whose creations are noted.
type registrar struct {
	*lease.Lease
	store *ramengine.Engine
	conn  *enginetest.Faulty

	mu      sync.Mutex
	created []string // the keys, in the order of the requests
	fate    func(enginetest.Call) enginetest.Fate
}

func startRegistrar(t *testing.T) *registrar {
	t.Helper()
	store := ramengine.New()
	r := &registrar{store: store, conn: enginetest.NewFaulty(store.Connect())}
	r.conn.Decide(r.decide)
	l, err := lease.Start(lease.Config{
		Engine: r.conn, Range: "election//t/", Owner: "registrar", Timing: lease.Timing{}.WithDefaults(),
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Lease = l
	t.Cleanup(func() {
		if err := l.Close(context.Background()); err != nil {
			t.Error(err)
		}
		r.conn.Close()
	})
	return r
}

func (r *registrar) decide(c enginetest.Call) enginetest.Fate {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.Op == enginetest.OpCreate {
		r.created = append(r.created, c.Key)
	}
	if r.fate == nil {
		return enginetest.Fate{}
	}
	return r.fate(c)
}

func (r *registrar) doom(fate func(enginetest.Call) enginetest.Fate) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fate = fate
}

func (r *registrar) creations() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.created)
}

func (r *registrar) keys() (keys []string) {
	for u := range r.store.Watch(context.Background(), engine.WatchOptions{Prefix: "/t/"}) {
		for _, c := range u.Changes {
			keys = append(keys, c.Record.Key)
		}
		break
	}
	slices.Sort(keys)
	return keys
}

func record(t *testing.T) func(*lease.Claim, error) *lease.Claim {
	return func(c *lease.Claim, err error) *lease.Claim {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
}

func TestRecordOutsideTheElectionsIsCreatedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := startRegistrar(t)
		record(t)(r.Record("/t/a", "1"))
		time.Sleep(10 * time.Minute)
		if got := r.creations(); len(got) != 1 {
			t.Errorf("in ten quiet minutes the record was created %d times, want once: %v", len(got), got)
		}
	})
}

func TestRecordAfterAnotherIsCreatedAfterItInEverySession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := startRegistrar(t)
		attempts := 0
		r.doom(func(c enginetest.Call) enginetest.Fate {
			if c.Op == enginetest.OpCreate && c.Key == "/t/first" {
				if attempts++; attempts%3 != 0 { // the third try in each session goes through
					return enginetest.Fate{Dropped: true}
				}
			}
			return enginetest.Fate{}
		})
		first := record(t)(r.Record("/t/first", "1"))
		for _, key := range []string{"/t/x", "/t/y"} {
			record(t)(r.RecordAfter(first, key, "2"))
		}
		time.Sleep(time.Minute)
		if err := engine.End(t.Context(), r.store, r.Session()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		got := r.creations()
		if len(got) != 10 || strings.Join(append(got[:3:3], got[5:8]...), " ") != strings.Repeat("/t/first ", 5)+"/t/first" {
			t.Errorf("requests came as %v, want three for /t/first before those for /t/x and /t/y, twice", got)
		}
		if keys := r.keys(); len(keys) != 3 {
			t.Errorf("the store has %v, want three records", keys)
		}
	})
}

func TestRecordThatWaitsForAnotherCanBeLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := startRegistrar(t)
		heal := r.conn.Cut()
		first := record(t)(r.Record("/t/first", "1"))
		second := record(t)(r.RecordAfter(first, "/t/second", "2"))
		second.Leave(nil)
		heal()
		<-second.Gone()
		time.Sleep(time.Minute)
		if keys := r.keys(); !slices.Equal(keys, []string{"/t/first"}) {
			t.Errorf("the store has %v, want /t/first alone", keys)
		}
	})
}

func TestRecordWhoseCreationLandedAfterItWasLeftIsRemoved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := startRegistrar(t)

		lost := false
		r.doom(func(c enginetest.Call) enginetest.Fate {
			if c.Op == enginetest.OpCreate && !lost {
				lost = true
				return enginetest.Fate{Lost: true}
			}
			return enginetest.Fate{}
		})
		c := record(t)(r.Record("/t/a", "1"))
		synctest.Wait()
		if keys := r.keys(); len(keys) != 1 {
			t.Fatalf("the store has %v, want the record whose reply was lost", keys)
		}
		c.Leave(nil)
		<-c.Gone()
		if keys := r.keys(); len(keys) != 0 {
			t.Errorf("the store has %v, want nothing: its owner left it", keys)
		}
	})
}
