package fileengine

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"

	"github.com/singleton-go/singleton/engine"
)

var (
	_ engine.Engine = (*Engine)(nil)
	_ engine.Ender  = (*Engine)(nil)
)

// An Engine is one process's way to a store in a directory. It is safe for concurrent use, and needs no Close: while it has
// no session and no watch, it holds a few open directories, which the garbage collector closes.
type Engine struct {
	store *store
}

// New returns an engine on the store in dir, which it makes if it is missing. It refuses a directory that belongs to another
// user or that others may enter, a symbolic link, and a network file system.
func New(dir string) (*Engine, error) {
	s, err := newStore(dir)
	if err != nil {
		return nil, fmt.Errorf("fileengine: directory %s: %w", dir, err)
	}
	return &Engine{store: s}, nil
}

// Open implements [engine.Engine]. The TTL is granted as asked, and nothing ends with it.
func (e *Engine) Open(ctx context.Context, o engine.SessionOptions) (engine.Session, error) {
	s, err := e.open(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("fileengine: open session: %w", err)
	}
	return s, nil
}

func (e *Engine) open(ctx context.Context, o engine.SessionOptions) (*session, error) {
	if o.TTL <= 0 {
		return nil, fmt.Errorf("TTL %v: must be above 0", o.TTL)
	}
	if err := e.store.look(ctx); err != nil {
		return nil, err
	}
	s, err := openSession(e.store, o.TTL)
	if err != nil {
		return nil, err
	}
	opening := &entry{Op: opOpen, Session: s.id, Owner: o.Owner}
	if _, err := e.store.change(ctx, func(*state) (*entry, error) { return opening, nil }); err != nil {
		s.letGo() // its files are swept, or end it if it was opened after all
		return nil, err
	}
	return s, nil
}

// End implements [engine.Ender].
func (e *Engine) End(ctx context.Context, sessionID string) error {
	return wrap("end session", sessionID, e.store.end(ctx, sessionID))
}

// Watch implements [engine.Engine]. A reader that falls far behind is given a reset instead of a history longer than the state.
func (e *Engine) Watch(ctx context.Context, o engine.WatchOptions) iter.Seq2[engine.Update, error] {
	return func(yield func(engine.Update, error) bool) {
		if err := e.store.watch(ctx, o, yield); err != nil && ctx.Err() == nil {
			yield(engine.Update{}, wrap("watch", o.Prefix, err))
		}
	}
}

// prepareEnd writes the entry that ends a session, so that its end needs no space.
func (s *store) prepareEnd(id string) error {
	data, err := json.Marshal(endOf(id))
	if err != nil {
		return err
	}
	return s.root.write(endName(id), data)
}

// end ends a session, and removes its files.
func (s *store) end(ctx context.Context, id string) error {
	e := endOf(id)
	n, err := s.change(ctx, func(st *state) (*entry, error) {
		if st.sessions[id] == nil {
			return nil, nil
		}
		return e, nil
	})
	if n != 0 {
		s.forget(id)
	}
	return err
}
