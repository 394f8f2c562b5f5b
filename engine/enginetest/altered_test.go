package enginetest_test

import (
	"context"
	"iter"

	"github.com/singleton-go/singleton/engine"
)

// wrong says what an engine does wrong; what is nil it does right.
type wrong struct {
	open    func(ctx context.Context, e engine.Engine, o engine.SessionOptions) (engine.Session, error)
	watch   func(ctx context.Context, e engine.Engine, o engine.WatchOptions) iter.Seq2[engine.Update, error]
	end     func(ctx context.Context, e engine.Engine, id string) error
	session *wrongSession
}

// wrongSession is wrong, for a session.
type wrongSession struct {
	renew   func(ctx context.Context, s engine.Session) error
	create  func(ctx context.Context, s engine.Session, key string, value []byte) (engine.Record, error)
	replace func(ctx context.Context, s engine.Session, r engine.Record, value []byte) (engine.Record, error)
	remove  func(ctx context.Context, s engine.Session, r engine.Record) error
	close   func(ctx context.Context, s engine.Session) error
}

// altered is an engine that does something wrong.
type altered struct {
	engine.Engine
	wrong wrong
}

func (a *altered) Open(ctx context.Context, o engine.SessionOptions) (engine.Session, error) {
	open := a.Engine.Open
	if a.wrong.open != nil {
		open = func(ctx context.Context, o engine.SessionOptions) (engine.Session, error) {
			return a.wrong.open(ctx, a.Engine, o)
		}
	}
	s, err := open(ctx, o)
	if err != nil || a.wrong.session == nil {
		return s, err
	}
	return &alteredSession{s, *a.wrong.session}, nil
}

func (a *altered) Watch(ctx context.Context, o engine.WatchOptions) iter.Seq2[engine.Update, error] {
	if a.wrong.watch != nil {
		return a.wrong.watch(ctx, a.Engine, o)
	}
	return a.Engine.Watch(ctx, o)
}

func (a *altered) End(ctx context.Context, id string) error {
	if a.wrong.end != nil {
		return a.wrong.end(ctx, a.Engine, id)
	}
	return engine.End(ctx, a.Engine, id)
}

// alteredSession is a session that does something wrong.
type alteredSession struct {
	engine.Session
	wrong wrongSession
}

func (a *alteredSession) Renew(ctx context.Context) error {
	if a.wrong.renew != nil {
		return a.wrong.renew(ctx, a.Session)
	}
	return a.Session.Renew(ctx)
}

func (a *alteredSession) Create(ctx context.Context, key string, value []byte) (engine.Record, error) {
	if a.wrong.create != nil {
		return a.wrong.create(ctx, a.Session, key, value)
	}
	return a.Session.Create(ctx, key, value)
}

func (a *alteredSession) Replace(ctx context.Context, r engine.Record, value []byte) (engine.Record, error) {
	if a.wrong.replace != nil {
		return a.wrong.replace(ctx, a.Session, r, value)
	}
	return a.Session.Replace(ctx, r, value)
}

func (a *alteredSession) Delete(ctx context.Context, r engine.Record) error {
	if a.wrong.remove != nil {
		return a.wrong.remove(ctx, a.Session, r)
	}
	return a.Session.Delete(ctx, r)
}

func (a *alteredSession) Close(ctx context.Context) error {
	if a.wrong.close != nil {
		return a.wrong.close(ctx, a.Session)
	}
	return a.Session.Close(ctx)
}

// present finds the record that a key has now.
func present(ctx context.Context, s engine.Session, key string) (engine.Record, bool) {
	r, err := s.Create(ctx, key, nil)
	if err == nil { // there was none: leave none
		s.Delete(ctx, r) //nolint:errcheck // memory does not fail
		return r, false
	}
	return r, r.Key != ""
}

// passing has a watch pass each of its updates through a function that is made anew for each watch.
func passing(newPass func(o engine.WatchOptions) func(engine.Update) []engine.Update) wrong {
	return wrong{watch: func(ctx context.Context, e engine.Engine, o engine.WatchOptions) iter.Seq2[engine.Update, error] {
		return func(yield func(engine.Update, error) bool) {
			pass := newPass(o)
			for u, err := range e.Watch(ctx, o) {
				if err != nil {
					yield(u, err)
					return
				}
				for _, u := range pass(u) {
					if !yield(u, nil) {
						return
					}
				}
			}
		}
	}}
}

// always is for passing what needs no memory of its own.
func always(pass func(u engine.Update) []engine.Update) wrong {
	return passing(func(engine.WatchOptions) func(engine.Update) []engine.Update { return pass })
}
