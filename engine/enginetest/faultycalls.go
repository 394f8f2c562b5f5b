package enginetest

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/singleton-go/singleton/engine"
)

var (
	_ engine.Engine = (*Faulty)(nil)
	_ engine.Ender  = (*Faulty)(nil)
)

// Open implements [engine.Engine]. If the answer is lost, the session lives on in the store and nobody knows it.
func (f *Faulty) Open(ctx context.Context, o engine.SessionOptions) (engine.Session, error) {
	s, err := call(ctx, f, OpOpen, o.Owner, func(ctx context.Context) (engine.Session, error) {
		return f.inner.Open(ctx, o)
	})
	if err != nil {
		return nil, err
	}
	return &faultySession{faulty: f, inner: s}, nil
}

// End implements [engine.Ender] as far as the engine beneath does.
func (f *Faulty) End(ctx context.Context, sessionID string) error {
	return exec(ctx, f, OpEnd, sessionID, func(ctx context.Context) error {
		return engine.End(ctx, f.inner, sessionID)
	})
}

// A faultySession is a session that is reached through its connection.
type faultySession struct {
	faulty *Faulty
	inner  engine.Session
}

func (s *faultySession) ID() string { return s.inner.ID() }

func (s *faultySession) TTL() time.Duration { return s.inner.TTL() }

func (s *faultySession) Renew(ctx context.Context) error {
	return exec(ctx, s.faulty, OpRenew, s.ID(), s.inner.Renew)
}

func (s *faultySession) Create(ctx context.Context, key string, value []byte) (engine.Record, error) {
	value = bytes.Clone(value) // a late request outlives the caller's hold on it
	return call(ctx, s.faulty, OpCreate, key, func(ctx context.Context) (engine.Record, error) {
		return s.inner.Create(ctx, key, value)
	})
}

func (s *faultySession) Replace(ctx context.Context, r engine.Record, value []byte) (engine.Record, error) {
	value = bytes.Clone(value)
	return call(ctx, s.faulty, OpReplace, r.Key, func(ctx context.Context) (engine.Record, error) {
		return s.inner.Replace(ctx, r, value)
	})
}

func (s *faultySession) Delete(ctx context.Context, r engine.Record) error {
	return exec(ctx, s.faulty, OpDelete, r.Key, func(ctx context.Context) error {
		return s.inner.Delete(ctx, r)
	})
}

func (s *faultySession) Close(ctx context.Context) error {
	return exec(ctx, s.faulty, OpClose, s.ID(), s.inner.Close)
}

// exec is call for what answers with an error alone.
func exec(ctx context.Context, f *Faulty, op Op, key string, do func(context.Context) error) error {
	_, err := call(ctx, f, op, key, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, do(ctx)
	})
	return err
}

// call takes one request to the store and its answer back, as its fate and the state of the connection will have it.
func call[T any](ctx context.Context, f *Faulty, op Op, key string, do func(context.Context) (T, error)) (T, error) {
	var none T
	fate := f.fate(op, key)
	answer, err, fault := none, error(nil), fate.Refuse
	if fault == nil && fate.Dropped {
		fault = f.silence(ctx)
	}
	if fault == nil {
		answer, err, fault = arrive(ctx, f, fate.Request, do)
	}
	if fault == nil {
		fault = f.answer(ctx, fate)
	}
	if fault != nil {
		return none, fmt.Errorf("%s %q: %w", op, key, fault)
	}
	return answer, err
}

// arrive carries the request out once it has reached the store. The fault is why the caller hears nothing of it.
func arrive[T any](ctx context.Context, f *Faulty, after time.Duration, do func(context.Context) (T, error)) (_ T, err, fault error) {
	var none T
	if err := f.until(ctx, reachable); err != nil {
		return none, nil, err
	}
	if after <= 0 && !f.holds() {
		answer, err := do(ctx)
		return answer, err, nil
	}
	type outcome struct {
		answer T
		err    error
	}
	done := make(chan outcome, 1)
	fault = f.launch(func() {
		if f.travel(f.over, after) != nil || f.until(f.over, deliverable) != nil {
			return
		}
		answer, err := do(f.over)
		done <- outcome{answer, err}
	})
	if fault != nil {
		return none, nil, fault
	}
	select {
	case o := <-done:
		return o.answer, o.err, nil
	case <-ctx.Done():
		return none, nil, context.Cause(ctx)
	case <-f.over.Done():
		return none, nil, errClosed
	}
}

// answer takes the answer back to the caller.
func (f *Faulty) answer(ctx context.Context, fate Fate) error {
	if fate.Lost {
		return f.silence(ctx)
	}
	if err := f.travel(ctx, fate.Reply); err != nil {
		return err
	}
	if err := f.until(ctx, func(s state) bool { return s.cut == 0 && s.mute == 0 }); err != nil {
		return err
	}
	return fate.Fail
}

// holds reports whether requests are held back.
func (f *Faulty) holds() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state.hold > 0
}

// reachable is when a caller gets rid of a request.
func reachable(s state) bool { return s.cut == 0 }

// deliverable is when a request on its way gets to the store.
func deliverable(s state) bool { return s.cut == 0 && s.hold == 0 }
