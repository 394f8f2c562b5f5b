package enginetest_test

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/singleton-go/singleton/engine"
)

// marking changes the marks of updates.
func marking(change func(asOf time.Time) time.Time) func() wrong {
	return func() wrong {
		return always(func(u engine.Update) []engine.Update {
			if !u.AsOf.IsZero() {
				u.AsOf = change(u.AsOf)
			}
			return []engine.Update{u}
		})
	}
}

var markMutants = []mutant{
	{name: "no marks", fails: "progress marks come as often as asked and are fresh", wrong: marking(func(time.Time) time.Time { return time.Time{} })},
	{name: "marks from long ago", fails: "progress marks come as often as asked and are fresh", wrong: marking(func(t time.Time) time.Time { return t.Add(-time.Second) })},
	{name: "marks from the future", fails: "progress marks come as often as asked and are fresh", wrong: marking(func(t time.Time) time.Time { return t.Add(1) })},
	{name: "marks by the wall clock", fails: "progress marks come as often as asked and are fresh", wrong: marking(func(t time.Time) time.Time { return t.Round(0) }), realTime: true},
	{name: "each second mark is left out", fails: "progress marks come as often as asked and are fresh", wrong: func() wrong {
		return passing(func(engine.WatchOptions) func(engine.Update) []engine.Update {
			n := 0
			return func(u engine.Update) []engine.Update {
				if !u.AsOf.IsZero() {
					if n++; n%2 == 0 {
						u.AsOf = time.Time{}
					}
				}
				return []engine.Update{u}
			}
		})
	}},
	{name: "marks only where nothing happens", fails: "progress marks come beside many changes too", wrong: func() wrong {
		return passing(func(o engine.WatchOptions) func(engine.Update) []engine.Update {
			var changed time.Time
			return func(u engine.Update) []engine.Update {
				if len(u.Changes) > 0 {
					changed = time.Now()
				}
				if time.Since(changed) < o.Progress {
					u.AsOf = time.Time{}
				}
				return []engine.Update{u}
			}
		})
	}},
	{name: "marks by a local clock while stalled", fails: "a stalled watch claims nothing that it has not yielded", wrong: clockMarks},
	{name: "marks by a local clock while muted", fails: "a muted watch claims nothing that it has not yielded", wrong: clockMarks},
	{name: "marks by a local clock while cut off", fails: "a watch that is cut off claims nothing that it has not yielded", wrong: clockMarks},
	{name: "marks for what lies in a buffer", fails: "a slow reader is told nothing that it has not been given", wrong: bufferedMarks},
}

// pumped runs a watch beside the reader, and hands its updates on.
func pumped(read func(o engine.WatchOptions, updates <-chan engine.Update, yield func(engine.Update) bool)) func() wrong {
	return func() wrong {
		return wrong{watch: func(ctx context.Context, e engine.Engine, o engine.WatchOptions) iter.Seq2[engine.Update, error] {
			return func(yield func(engine.Update, error) bool) {
				ctx, cancel := context.WithCancel(ctx)
				updates := make(chan engine.Update)
				var pump sync.WaitGroup
				pump.Go(func() {
					defer close(updates)
					for u, err := range e.Watch(ctx, o) {
						if err != nil {
							return
						}
						select {
						case updates <- u:
						case <-ctx.Done():
						}
					}
				})
				defer pump.Wait()
				defer cancel()
				read(o, updates, func(u engine.Update) bool { return yield(u, nil) })
			}
		}}
	}
}

// clockMarks yields marks although the store is silent.
func clockMarks() wrong {
	return pumped(func(o engine.WatchOptions, updates <-chan engine.Update, yield func(engine.Update) bool) {
		tick := time.NewTicker(o.Progress + time.Duration(1))
		defer tick.Stop()
		for {
			u := engine.Update{}
			ok := true
			select {
			case u, ok = <-updates:
			case u.AsOf = <-tick.C:
			}
			if !ok || !yield(u) {
				return
			}
		}
	})()
}

// bufferedMarks reads ahead of its reader, and takes the time of a mark when it hands it over.
func bufferedMarks() wrong {
	return pumped(func(_ engine.WatchOptions, updates <-chan engine.Update, yield func(engine.Update) bool) {
		var mu sync.Mutex
		var buffer []engine.Update
		more := make(chan struct{}, 1)
		var ahead sync.WaitGroup
		ahead.Go(func() {
			defer close(more)
			for u := range updates {
				mu.Lock()
				buffer = append(buffer, u)
				mu.Unlock()
				select {
				case more <- struct{}{}:
				default:
				}
			}
		})
		for range more {
			mu.Lock()
			taken := buffer
			buffer = nil
			mu.Unlock()
			for _, u := range taken {
				if !u.AsOf.IsZero() {
					u.AsOf = time.Now()
				}
				if !yield(u) {
					return
				}
			}
		}
	})()
}
