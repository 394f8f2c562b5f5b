package singleton_test

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/engine"
)

// What a waiting unit costs its process, beside a store that is elsewhere. Heap and goroutines are counted, so nothing here
// depends on how fast the machine is; but no other test may run meanwhile, so these are not parallel.

// idle waits to be told to stop.
func idle(ctx context.Context) error { <-ctx.Done(); return nil }

// many returns n workers that have one runner.
func many(n int) []singleton.Unit {
	units := make([]singleton.Unit, n)
	for i := range units {
		units[i] = singleton.Worker("unit-"+strconv.Itoa(i), singleton.RunnerFunc(idle))
	}
	return units
}

// An elsewhere is a connection to a store that keeps nothing in this process. In it, so many candidates of others wait for each
// of the units before this process comes.
type elsewhere struct {
	units, others int
	created       atomic.Uint64
	written       atomic.Int64
	news          chan engine.Change
}

func (e *elsewhere) Open(context.Context, engine.SessionOptions) (engine.Session, error) {
	return e, nil
}

func (e *elsewhere) Watch(ctx context.Context, o engine.WatchOptions) iter.Seq2[engine.Update, error] {
	return func(yield func(engine.Update, error) bool) {
		u := engine.Update{Reset: true, AsOf: time.Now(), Changes: e.before()}
		mark := time.NewTicker(o.Progress)
		defer mark.Stop()
		for yield(u, nil) {
			u = engine.Update{}
			select {
			case <-ctx.Done():
				return
			case c := <-e.news:
				u.Changes = []engine.Change{c}
			case <-mark.C:
				u.AsOf = time.Now()
			}
		}
	}
}

// before is what others have written.
func (e *elsewhere) before() (all []engine.Change) {
	for i := range e.units {
		for other := range e.others {
			all = append(all, engine.Change{Record: engine.Record{
				Key:   fmt.Sprintf("election//t/singleton/worker/unit-%d/other-%d", i, other),
				Value: []byte("00000000-0000-4000-8000-000000000000"), Session: fmt.Sprintf("other-%d", other),
				Created: uint64(i*e.others + other + 1),
			}})
		}
	}
	return all
}

func (e *elsewhere) ID() string                  { return "own" }
func (e *elsewhere) TTL() time.Duration          { return time.Hour }
func (e *elsewhere) Renew(context.Context) error { return nil }
func (e *elsewhere) Close(context.Context) error { return nil }

func (e *elsewhere) Create(_ context.Context, key string, value []byte) (engine.Record, error) {
	r := engine.Record{Key: key, Value: value, Session: e.ID(), Created: e.created.Add(1)}
	if strings.HasPrefix(key, "election/") {
		e.news <- engine.Change{Record: engine.Record{Key: strings.Clone(key), Value: []byte(string(value)), Session: e.ID(), Created: r.Created}}
	}
	e.written.Add(1)
	return r, nil
}

func (e *elsewhere) Replace(_ context.Context, r engine.Record, _ []byte) (engine.Record, error) {
	return r, nil
}

func (e *elsewhere) Delete(_ context.Context, r engine.Record) error {
	if strings.HasPrefix(r.Key, "election/") {
		e.news <- engine.Change{Record: r, Deleted: true}
	}
	return nil
}

// load is what this process has at one moment.
type load struct{ bytes, goroutines int }

func measure() load {
	runtime.GC()
	runtime.GC() // what the first one has found finalisers for
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return load{bytes: int(m.HeapAlloc), goroutines: runtime.NumGoroutine()}
}

// weigh returns what a unit costs where so many others stand before it, in bytes of heap and in goroutines.
func weigh(tb testing.TB, units, others int) (bytes, goroutines float64) {
	tb.Helper()
	list := many(units)
	before := measure()
	store := &elsewhere{units: units, others: others, news: make(chan engine.Change)}
	store.created.Store(uint64(units * others)) // the others have come before, whenever this process looks
	rt, err := singleton.New(store, singleton.Config{Prefix: "/t", Timing: discovery.Timing{TTL: store.TTL()}})
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error)
	go func() { over <- rt.Run(ctx, list...) }()
	want := singleton.Pending
	if others == 0 {
		want = singleton.Ready
	}
	for store.written.Load() < int64(2*units+2) || !all(rt, want) {
		runtime.Gosched()
	}
	after := measure()
	cancel()
	if err := <-over; err != nil {
		tb.Error(err)
	}
	return float64(after.bytes-before.bytes) / float64(units), float64(after.goroutines-before.goroutines) / float64(units)
}

func all(rt *singleton.Runtime, want singleton.State) bool {
	for _, s := range rt.Status() {
		if s.State != want {
			return false
		}
	}
	return true
}

// The bounds leave room for another version of Go; what is measured stands in docs/benchmarks.md.
func TestWaitingUnitIsSmallAndHasNoGoroutine(t *testing.T) {
	const units, most, mostForeign = 4000, 1200, 150
	one, goroutines := weigh(t, units, 1)
	nine, _ := weigh(t, units, 9)
	foreign := (nine - one) / 8
	t.Logf("a waiting unit is %.0f bytes, each candidate of another process beside it %.0f; %.3f goroutines", one-foreign, foreign, goroutines)
	if one-foreign > most || foreign > mostForeign {
		t.Errorf("a waiting unit is %.0f bytes, want at most %d, and %.0f for each other candidate, want at most %d",
			one-foreign, most, foreign, mostForeign)
	}
	if goroutines > 0.01 {
		t.Errorf("a waiting unit has %.3f goroutines, want none", goroutines)
	}
}

func TestReadyUnitHasNoGoroutineBesideItsRunners(t *testing.T) {
	bytes, goroutines := weigh(t, 2000, 0)
	t.Logf("a ready unit is %.0f bytes beside its runner's stack, and has %.3f goroutines", bytes, goroutines)
	if goroutines > 1.01 {
		t.Errorf("a ready unit has %.3f goroutines, want its runner's alone", goroutines)
	}
}

// BenchmarkPendingUnit starts and stops a process with ten thousand units that wait.
func BenchmarkPendingUnit(b *testing.B) {
	const units = 10_000
	var bytes, goroutines float64
	for b.Loop() {
		bytes, goroutines = weigh(b, units, 1)
	}
	b.ReportMetric(bytes, "B/unit")
	b.ReportMetric(goroutines, "goroutines/unit")
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/units, "us/unit")
}
