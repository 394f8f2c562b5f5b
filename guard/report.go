package guard

import (
	"context"
	"errors"
	"time"

	"github.com/singleton-go/singleton/engine"
)

// A Message tells a guard of a change among the sessions of the process that it guards.
type Message struct {
	Opened string        `json:",omitempty"` // ID of a session that is about to be used
	TTL    time.Duration `json:",omitempty"` // of that session
	Ended  string        `json:",omitempty"` // ID of a session that is over
}

// Report returns an engine that tells of its sessions: when one is open, before it is used, and when it is closed or known to
// be lost. What it tells may come from several goroutines. It is for guards of one's own making; see [Guard.Protect].
func Report(e engine.Engine, tell func(Message)) engine.Engine { return reporter{e, tell} }

// A reporter has all that an engine may have, and what the engine doesn't have is unsupported in it as well.
type reporter struct {
	engine.Engine

	tell func(Message)
}

var _ engine.Ender = reporter{}

func (r reporter) Open(ctx context.Context, o engine.SessionOptions) (engine.Session, error) {
	s, err := r.Engine.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	r.tell(Message{Opened: s.ID(), TTL: s.TTL()})
	return &session{Session: s, tell: r.tell}, nil
}

func (r reporter) End(ctx context.Context, sessionID string) error {
	return engine.End(ctx, r.Engine, sessionID)
}

type session struct {
	engine.Session

	tell func(Message)
}

func (s *session) Renew(ctx context.Context) error {
	return s.heed(s.Session.Renew(ctx))
}

func (s *session) Create(ctx context.Context, key string, value []byte) (engine.Record, error) {
	r, err := s.Session.Create(ctx, key, value)
	return r, s.heed(err)
}

func (s *session) Replace(ctx context.Context, r engine.Record, value []byte) (engine.Record, error) {
	r, err := s.Session.Replace(ctx, r, value)
	return r, s.heed(err)
}

// heed tells of a session that is over.
func (s *session) heed(err error) error {
	if errors.Is(err, engine.ErrLost) || errors.Is(err, engine.ErrRewound) {
		s.tell(Message{Ended: s.ID()})
	}
	return err
}

func (s *session) Close(ctx context.Context) error {
	err := s.Session.Close(ctx)
	if err == nil {
		s.tell(Message{Ended: s.ID()})
	}
	return err
}

// sessions are those that are open, with their TTLs.
type sessions map[string]time.Duration

// apply says whether m changed anything.
func (s sessions) apply(m Message) bool {
	before := len(s)
	if m.Opened != "" {
		s[m.Opened] = m.TTL
	}
	delete(s, m.Ended)
	return len(s) != before
}
