package enginetest_test

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"
	"testing"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/enginetest"
)

var watchMutants = []mutant{
	{name: "no reset at the start", fails: "a watch begins with the whole state", wrong: func() wrong {
		return always(func(u engine.Update) []engine.Update {
			u.Reset = false
			return []engine.Update{u}
		})
	}},
	{name: "the state comes in pages", fails: "a watch begins with the whole state", wrong: func() wrong {
		return always(func(u engine.Update) []engine.Update {
			if !u.Reset || len(u.Changes) < 11 {
				return []engine.Update{u}
			}
			first, rest := u, engine.Update{Changes: u.Changes[10:]}
			first.Changes = u.Changes[:10]
			return []engine.Update{first, rest}
		})
	}},
	{name: "each seventh change is left out", fails: "every change follows once and in order", wrong: func() wrong {
		return passing(func(engine.WatchOptions) func(engine.Update) []engine.Update {
			n := 0
			return func(u engine.Update) []engine.Update {
				var kept []engine.Change
				for _, c := range u.Changes {
					if n++; n%7 != 0 {
						kept = append(kept, c)
					}
				}
				u.Changes = kept
				return []engine.Update{u}
			}
		})
	}},
	{name: "changes come twice", fails: "every change follows once and in order", wrong: func() wrong {
		return always(func(u engine.Update) []engine.Update {
			var puts engine.Update
			for _, c := range u.Changes {
				if !c.Deleted && !u.Reset {
					puts.Changes = append(puts.Changes, c)
				}
			}
			if len(puts.Changes) == 1 {
				return []engine.Update{u, puts}
			}
			return []engine.Update{u}
		})
	}},
	{name: "a watch ends in silence", fails: "every change follows once and in order", wrong: func() wrong {
		return wrong{watch: func(ctx context.Context, e engine.Engine, o engine.WatchOptions) iter.Seq2[engine.Update, error] {
			return func(yield func(engine.Update, error) bool) {
				n := 0
				for u, err := range e.Watch(ctx, o) {
					if n++; !yield(u, err) || n == 1 {
						return
					}
				}
			}
		}}
	}},
	{name: "a cut loses an update", fails: "a watch that was cut off has no gap", store: afterCuts(func(engine.Update) []engine.Update { return nil })},
	{
		name: "the state after a compaction counts as changes", fails: "a watch whose history was compacted away has no gap",
		store: afterCuts(func(u engine.Update) []engine.Update {
			u.Reset = false
			return []engine.Update{u}
		}),
	},
	{
		name: "a compaction is passed over", fails: "a watch whose history was compacted away has no gap",
		store: afterCuts(func(u engine.Update) []engine.Update {
			if u.Reset {
				return nil
			}
			return []engine.Update{u}
		}),
	},
	{name: "some creations come after later ones", fails: "many writers of one queue are seen in the order of Created by every reader", wrong: func() wrong {
		return passing(func(engine.WatchOptions) func(engine.Update) []engine.Update {
			var held []engine.Update
			return func(u engine.Update) (all []engine.Update) {
				if u.Reset {
					return []engine.Update{u}
				}
				for _, c := range u.Changes {
					one := engine.Update{Changes: []engine.Change{c}}
					if len(held) == 0 && !c.Deleted && c.Record.Created%5 == 0 {
						held = append(held, one)
						continue
					}
					all = append(append(all, one), held...)
					held = nil
				}
				return all
			}
		})
	}},
	{name: "the end of the context is an error", fails: "a watch ends without an error when its loop is left or its context ends", wrong: func() wrong {
		return wrong{watch: func(ctx context.Context, e engine.Engine, o engine.WatchOptions) iter.Seq2[engine.Update, error] {
			return func(yield func(engine.Update, error) bool) {
				for u, err := range e.Watch(ctx, o) {
					if !yield(u, err) {
						return
					}
				}
				if ctx.Err() != nil {
					yield(engine.Update{}, ctx.Err())
				}
			}
		}}
	}},
	{name: "a watch does not hear of the end of its context", fails: "a watch ends without an error when its loop is left or its context ends", wrong: func() wrong {
		return wrong{watch: func(ctx context.Context, e engine.Engine, o engine.WatchOptions) iter.Seq2[engine.Update, error] {
			return e.Watch(context.WithoutCancel(ctx), o)
		}}
	}},
	{name: "a reader holds the lock that calls need", fails: "a slow reader delays no other watch and no call", wrong: func() wrong {
		lock := make(chan struct{}, 1)
		return wrong{
			watch: func(ctx context.Context, e engine.Engine, o engine.WatchOptions) iter.Seq2[engine.Update, error] {
				return func(yield func(engine.Update, error) bool) {
					for u, err := range e.Watch(ctx, o) {
						lock <- struct{}{}
						more := yield(u, err)
						<-lock
						if !more {
							return
						}
					}
				}
			},
			session: &wrongSession{create: func(ctx context.Context, s engine.Session, key string, value []byte) (engine.Record, error) {
				select {
				case lock <- struct{}{}:
					defer func() { <-lock }()
					return s.Create(ctx, key, value)
				case <-ctx.Done():
					return engine.Record{}, errors.New("another reader holds the lock")
				}
			}},
		}
	}},
}

// afterCuts has a watch do something wrong to the first update that comes after a cut was healed.
func afterCuts(pass func(engine.Update) []engine.Update) func(*enginetest.Store) {
	return func(store *enginetest.Store) {
		connect := store.Connect
		store.Connect = func(t *testing.T) enginetest.Conn {
			c := connect(t)
			var healed atomic.Bool
			cut := c.Cut
			c.Cut = func(t *testing.T) func() {
				heal := cut(t)
				return func() {
					healed.Store(true)
					heal()
				}
			}
			c.Engine = &altered{c.Engine, always(func(u engine.Update) []engine.Update {
				if healed.CompareAndSwap(true, false) {
					return pass(u)
				}
				return []engine.Update{u}
			})}
			return c
		}
	}
}
