package enginetest_test

import (
	"bytes"
	"context"
	"errors"
	"strings"

	"github.com/singleton-go/singleton/engine"
)

type createFunc = func(ctx context.Context, s engine.Session, key string, value []byte) (engine.Record, error)

// creating is a mutant whose only fault is its Create.
func creating(create createFunc) func() wrong {
	return func() wrong { return wrong{session: &wrongSession{create: create}} }
}

// deleteByKey removes whatever is at the key.
func deleteByKey(ctx context.Context, s engine.Session, r engine.Record) error {
	if now, ok := present(ctx, s, r.Key); ok {
		r = now
	}
	return s.Delete(ctx, r)
}

var recordMutants = []mutant{
	{
		name: "Create overwrites", fails: "Create on a key that is taken returns the record that is there",
		wrong: creating(func(ctx context.Context, s engine.Session, key string, value []byte) (engine.Record, error) {
			r, err := s.Create(ctx, key, value)
			if errors.Is(err, engine.ErrExists) {
				return s.Replace(ctx, r, value)
			}
			return r, err
		}),
	},
	{
		name: "Create returns nothing where the key is taken", fails: "Create on a key that is taken returns the record that is there",
		wrong: creating(func(ctx context.Context, s engine.Session, key string, value []byte) (engine.Record, error) {
			r, err := s.Create(ctx, key, value)
			if err != nil {
				return engine.Record{}, err
			}
			return r, nil
		}),
	},
	{
		name: "Create joins those who were there", fails: "only one of many who create the same key at once succeeds",
		wrong: creating(func(ctx context.Context, s engine.Session, key string, value []byte) (engine.Record, error) {
			r, err := s.Create(ctx, key, value)
			if errors.Is(err, engine.ErrExists) {
				return r, nil
			}
			return r, err
		}),
	},
	{name: "Replace makes a record of its own", fails: "Replace by another session keeps the session and Created", wrong: func() wrong {
		return wrong{session: &wrongSession{replace: func(ctx context.Context, s engine.Session, r engine.Record, value []byte) (engine.Record, error) {
			if err := s.Delete(ctx, r); err != nil {
				return r, err
			}
			return s.Create(ctx, r.Key, value)
		}}}
	}},
	{name: "Delete needs a session", fails: "Delete reaches the records of others, and works after the own session has ended", wrong: func() wrong {
		return wrong{session: &wrongSession{remove: func(ctx context.Context, s engine.Session, r engine.Record) error {
			if err := s.Renew(ctx); err != nil {
				return err
			}
			return s.Delete(ctx, r)
		}}}
	}},
	{name: "Delete leaves the records of others", fails: "Delete reaches the records of others, and works after the own session has ended", wrong: func() wrong {
		return wrong{session: &wrongSession{remove: func(ctx context.Context, s engine.Session, r engine.Record) error {
			if r.Session != s.ID() {
				return nil
			}
			return s.Delete(ctx, r)
		}}}
	}},
	{
		name: "values of 64 KiB at most", fails: "values are kept byte for byte",
		wrong: creating(func(ctx context.Context, s engine.Session, key string, value []byte) (engine.Record, error) {
			return s.Create(ctx, key, value[:min(len(value), 1<<16)])
		}),
	},
	{name: "values end at a zero byte", fails: "values are kept byte for byte", wrong: func() wrong {
		return wrong{session: &wrongSession{replace: func(ctx context.Context, s engine.Session, r engine.Record, value []byte) (engine.Record, error) {
			before, _, _ := bytes.Cut(value, []byte{0})
			return s.Replace(ctx, r, before)
		}}}
	}},
	{name: "values belong to the caller", fails: "a value is kept as it was when the call was made", wrong: func() wrong {
		callers := map[string][]byte{}
		w := always(func(u engine.Update) []engine.Update {
			for i, c := range u.Changes {
				if v, ok := callers[c.Record.Key]; ok {
					u.Changes[i].Record.Value = bytes.Clone(v)
				}
			}
			return []engine.Update{u}
		})
		w.session = &wrongSession{create: func(ctx context.Context, s engine.Session, key string, value []byte) (engine.Record, error) {
			callers[key] = value
			return s.Create(ctx, key, value)
		}}
		return w
	}},
	{
		name: "keys without case", fails: "keys are kept byte for byte",
		wrong: creating(func(ctx context.Context, s engine.Session, key string, value []byte) (engine.Record, error) {
			return s.Create(ctx, strings.ToLower(key), value)
		}),
	},
	{
		name: "keys of 255 bytes at most", fails: "keys are kept byte for byte",
		wrong: creating(func(ctx context.Context, s engine.Session, key string, value []byte) (engine.Record, error) {
			return s.Create(ctx, key[:min(len(key), 255)], value)
		}),
	},
	{name: "prefixes end at slashes", fails: "a key that is a prefix of another has nothing to do with it", wrong: func() wrong {
		return passing(func(o engine.WatchOptions) func(engine.Update) []engine.Update {
			return func(u engine.Update) []engine.Update {
				var inside []engine.Change
				for _, c := range u.Changes {
					if rest := c.Record.Key[len(o.Prefix):]; rest == "" || rest[0] == '/' || strings.HasSuffix(o.Prefix, "/") {
						inside = append(inside, c)
					}
				}
				u.Changes = inside
				return []engine.Update{u}
			}
		})
	}},
	{name: "Delete names a key", fails: "a late Delete leaves a later creation alone", wrong: func() wrong {
		return wrong{session: &wrongSession{remove: deleteByKey}}
	}},
	{name: "Replace names a key", fails: "a late Replace leaves a later creation alone", wrong: func() wrong {
		return wrong{session: &wrongSession{replace: func(ctx context.Context, s engine.Session, r engine.Record, value []byte) (engine.Record, error) {
			if now, ok := present(ctx, s, r.Key); ok {
				r = now
			}
			return s.Replace(ctx, r, value)
		}}}
	}},
	{name: "Replace names a value", beneath: true, fails: "after a lost reply, calling again finds out what happened", wrong: func() wrong {
		return wrong{session: &wrongSession{replace: func(ctx context.Context, s engine.Session, r engine.Record, value []byte) (engine.Record, error) {
			if now, _ := present(ctx, s, r.Key); !bytes.Equal(now.Value, r.Value) && now.Key != "" {
				return engine.Record{}, engine.ErrGone
			}
			return s.Replace(ctx, r, value)
		}}}
	}},
	{name: "a muted call counts as done", fails: "after a lost reply, calling again finds out what happened", wrong: func() wrong {
		return wrong{session: &wrongSession{remove: func(ctx context.Context, s engine.Session, r engine.Record) error {
			s.Delete(ctx, r) //nolint:errcheck // this is the fault
			return nil
		}}}
	}},
	{
		name: "late calls by key", fails: "a call that was given up harms no later creation",
		wrong: func() wrong {
			return wrong{session: &wrongSession{remove: func(ctx context.Context, s engine.Session, r engine.Record) error {
				err := s.Delete(ctx, r)
				if ctx.Err() != nil { // tried once more in the background
					go deleteByKey(context.WithoutCancel(ctx), s, r) //nolint:errcheck // this is the fault
				}
				return err
			}}}
		},
	},
	{
		name: "numbers in pairs the wrong way round", fails: "Created rises with every creation of a queue and never falls in the store",
		wrong: creating(func(ctx context.Context, s engine.Session, key string, value []byte) (engine.Record, error) {
			r, err := s.Create(ctx, key, value)
			r.Created ^= 1
			return r, err
		}),
	},
	{name: "one lock for all processes", fails: "a process that stands still in the middle of its calls holds up nobody", wrong: func() wrong {
		lock := make(chan struct{}, 1)
		return wrong{session: &wrongSession{create: func(ctx context.Context, s engine.Session, key string, value []byte) (engine.Record, error) {
			select {
			case lock <- struct{}{}:
			case <-ctx.Done():
				return engine.Record{}, ctx.Err()
			}
			r, err := s.Create(context.WithoutCancel(ctx), key, value)
			<-lock
			return r, err
		}}}
	}},
}
