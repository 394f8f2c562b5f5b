package ramengine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/singleton-go/singleton/engine"
)

const (
	maxKey   = 1024
	maxValue = 1 << 20
)

// A session implements [engine.Session]. The store's lock guards what follows ttl.
type session struct {
	engine *Engine
	id     string
	ttl    time.Duration

	deadline time.Time
	ended    bool
	keys     map[string]bool
}

func (s *session) ID() string { return s.id }

func (s *session) TTL() time.Duration { return s.ttl }

func (s *session) Renew(ctx context.Context) error {
	err := s.alive(ctx, func(now time.Time) error {
		s.engine.store.extend(s, now)
		return nil
	})
	return wrap("renew session", s.id, err)
}

func (s *session) Create(ctx context.Context, key string, value []byte) (engine.Record, error) {
	if err := errors.Join(checkKey(key), checkValue(value)); err != nil {
		return engine.Record{}, wrap("create", key, err)
	}
	st := s.engine.store
	var r engine.Record
	err := s.alive(ctx, func(time.Time) error {
		if present, ok := st.records[key]; ok {
			r = present
			return engine.ErrExists
		}
		st.created++
		r = engine.Record{Key: key, Value: bytes.Clone(value), Session: s.id, Created: st.created}
		s.keys[key] = true
		st.put(r)
		return nil
	})
	return r, wrap("create", key, err)
}

func (s *session) Replace(ctx context.Context, r engine.Record, value []byte) (engine.Record, error) {
	if err := checkValue(value); err != nil {
		return engine.Record{}, wrap("replace", r.Key, err)
	}
	st := s.engine.store
	var replaced engine.Record
	err := s.alive(ctx, func(time.Time) error {
		present, ok := st.exactly(r)
		if !ok {
			return engine.ErrGone
		}
		present.Value = bytes.Clone(value)
		st.put(present)
		replaced = present
		return nil
	})
	return replaced, wrap("replace", r.Key, err)
}

func (s *session) Delete(ctx context.Context, r engine.Record) error {
	st := s.engine.store
	err := s.engine.do(ctx, func(time.Time) error {
		present, ok := st.exactly(r)
		if !ok {
			return nil
		}
		delete(st.records, present.Key)
		delete(st.sessions[present.Session].keys, present.Key)
		st.publish(engine.Change{Record: present, Deleted: true})
		return nil
	})
	return wrap("delete", r.Key, err)
}

func (s *session) Close(ctx context.Context) error {
	err := s.engine.do(ctx, func(time.Time) error {
		if !s.ended {
			s.engine.store.end(s)
		}
		return nil
	})
	return wrap("close session", s.id, err)
}

// alive runs one step of the store, unless the session has ended before it.
func (s *session) alive(ctx context.Context, step func(now time.Time) error) error {
	return s.engine.do(ctx, func(now time.Time) error {
		if s.ended {
			return engine.ErrLost
		}
		return step(now)
	})
}

func checkKey(key string) error {
	switch {
	case len(key) == 0 || len(key) > maxKey:
		return fmt.Errorf("key of %d bytes: must have 1 to %d", len(key), maxKey)
	case !utf8.ValidString(key):
		return errors.New("key is not UTF-8 text")
	}
	return nil
}

func checkValue(value []byte) error {
	if len(value) > maxValue {
		return fmt.Errorf("value of %d bytes: must have at most %d", len(value), maxValue)
	}
	return nil
}
