package enginetest_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"testing"
	"time"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/enginetest"
)

// posing is a session that says something else of itself than the store knows.
type posing struct {
	engine.Session
	id  string
	ttl time.Duration
}

func (p posing) ID() string         { return p.id }
func (p posing) TTL() time.Duration { return p.ttl }

var sessionMutants = []mutant{
	{name: "IDs by process", fails: "no two sessions have the same ID", wrong: func() wrong {
		return wrong{open: func(ctx context.Context, e engine.Engine, o engine.SessionOptions) (engine.Session, error) {
			s, err := e.Open(ctx, o)
			return posing{s, fmt.Sprintf("%p", e), o.TTL}, err
		}}
	}},
	{name: "TTL cut to whole seconds", fails: "a TTL is granted as asked or longer", wrong: func() wrong {
		return wrong{open: func(ctx context.Context, e engine.Engine, o engine.SessionOptions) (engine.Session, error) {
			o.TTL = o.TTL.Truncate(time.Second)
			return e.Open(ctx, o)
		}}
	}},
	{name: "store ends sessions early", fails: "a session lives a whole TTL after its last renewal", wrong: func() wrong {
		return wrong{open: func(ctx context.Context, e engine.Engine, o engine.SessionOptions) (engine.Session, error) {
			asked := o.TTL
			o.TTL = asked * 99 / 100
			s, err := e.Open(ctx, o)
			return posing{s, s.ID(), asked}, err
		}}
	}},
	{name: "renewals are not carried out", fails: "a session that is renewed lives on", wrong: func() wrong {
		return wrong{session: &wrongSession{renew: func(context.Context, engine.Session) error { return nil }}}
	}},
	{name: "renewal forgets that the session was lost", fails: "a renewal after the end is ErrLost for ever", wrong: func() wrong {
		lost := 0
		return wrong{session: &wrongSession{renew: func(ctx context.Context, s engine.Session) error {
			err := s.Renew(ctx)
			if errors.Is(err, engine.ErrLost) {
				if lost++; lost > 2 {
					return nil
				}
			}
			return err
		}}}
	}},
	{name: "Create looks at the key before the session", fails: "a renewal after the end is ErrLost for ever", wrong: func() wrong {
		known := map[string]engine.Record{}
		return wrong{session: &wrongSession{create: func(ctx context.Context, s engine.Session, key string, value []byte) (engine.Record, error) {
			if r, ok := known[key]; ok {
				return r, engine.ErrExists
			}
			r, err := s.Create(ctx, key, value)
			known[key] = r
			return r, err
		}}}
	}},
	{name: "the dead are in the first reset", fails: "a watch that starts after the end sees no record of the session", wrong: func() wrong {
		var all []engine.Change
		w := always(func(u engine.Update) []engine.Update {
			if u.Reset {
				u.Changes = all
			}
			return []engine.Update{u}
		})
		w.session = &wrongSession{create: func(ctx context.Context, s engine.Session, key string, value []byte) (engine.Record, error) {
			r, err := s.Create(ctx, key, value)
			all = append(all, engine.Change{Record: r})
			return r, err
		}}
		return w
	}},
	{name: "expiry piece by piece", fails: "all records of an expired session vanish in one update and nobody else's", wrong: piecewise},
	{name: "closing piece by piece", fails: "Close ends the session and all its records at once, in one update", wrong: piecewise},
	{name: "ending piece by piece", fails: "End ends another process's session and all its records at once, in one update", wrong: piecewise},
	{name: "a rewound store is a lost session", fails: "a store that went back is found out by a renewal and by every later call", wrong: func() wrong {
		return wrong{session: &wrongSession{renew: func(ctx context.Context, s engine.Session) error {
			if err := s.Renew(ctx); err != nil {
				return engine.ErrLost
			}
			return nil
		}}}
	}},
	{name: "a rewound store can be watched", fails: "a store that went back is found out by a renewal and by every later call", wrong: func() wrong {
		return wrong{watch: func(context.Context, engine.Engine, engine.WatchOptions) iter.Seq2[engine.Update, error] {
			return func(func(engine.Update, error) bool) {}
		}}
	}},
	{name: "a rewound store stays closed", fails: "a store that went back serves those who connect afterwards", store: func(store *enginetest.Store) {
		var first *enginetest.Conn
		connect := store.Connect
		store.Connect = func(t *testing.T) enginetest.Conn {
			if first == nil {
				c := connect(t)
				first = &c
			}
			return *first
		}
	}},
	{name: "Close forgets the records", fails: "Close ends the session and all its records at once, in one update", wrong: func() wrong {
		return wrong{session: &wrongSession{close: func(context.Context, engine.Session) error { return nil }}}
	}},
	{name: "the end goes by key", fails: "the end of a session leaves what others have created on its former keys", wrong: func() wrong {
		created := map[engine.Session][]string{}
		return wrong{session: &wrongSession{
			create: func(ctx context.Context, s engine.Session, key string, value []byte) (engine.Record, error) {
				created[s] = append(created[s], key)
				return s.Create(ctx, key, value)
			},
			close: func(ctx context.Context, s engine.Session) error {
				for _, key := range created[s] {
					if err := deleteByKey(ctx, s, engine.Record{Key: key}); err != nil {
						return err
					}
				}
				return s.Close(ctx)
			},
		}}
	}},
	{name: "Close of a closed session fails", fails: "Close may be repeated, also after the session has expired", wrong: func() wrong {
		return wrong{session: &wrongSession{close: func(ctx context.Context, s engine.Session) error {
			if err := s.Renew(ctx); err != nil {
				return err
			}
			return s.Close(ctx)
		}}}
	}},
	{name: "Close waits for the store", fails: "Close returns when its context ends, also when cut off", wrong: func() wrong {
		return wrong{session: &wrongSession{close: func(ctx context.Context, s engine.Session) error {
			return s.Close(context.WithoutCancel(ctx))
		}}}
	}},
	{name: "End does nothing", fails: "End ends another process's session and all its records at once, in one update", wrong: func() wrong {
		return wrong{end: func(context.Context, engine.Engine, string) error { return nil }}
	}},
	{name: "End of an unknown session fails", fails: "End of a session that is unknown or has ended is no error", wrong: func() wrong {
		var mu sync.Mutex
		ended := map[string]bool{}
		return wrong{end: func(ctx context.Context, e engine.Engine, id string) error {
			mu.Lock()
			defer mu.Unlock()
			if ended[id] {
				return engine.ErrLost
			}
			ended[id] = true
			return engine.End(ctx, e, id)
		}}
	}},
}

// piecewise yields each change for itself.
func piecewise() wrong {
	return always(func(u engine.Update) (all []engine.Update) {
		if u.Reset || len(u.Changes) == 0 {
			return []engine.Update{u}
		}
		for _, c := range u.Changes {
			all = append(all, engine.Update{Changes: []engine.Change{c}})
		}
		return all
	})
}
