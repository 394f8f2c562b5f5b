package shim

import (
	"context"
	"os"
	"time"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/guard"
)

// A session is one that the shim is to end.
type session struct {
	ttl  time.Duration
	lock func() (*os.File, error) // nil where the engine has none
}

// Protect returns an engine whose sessions the shim ends when this process is gone, and when nothing of the command is left. The
// shim knows of a session before it is used.
func (o *Owner) Protect(e engine.Engine) engine.Engine {
	return guard.Report(sharing{e, o}, o.heed)
}

// sharing notes how the sessions that it opens can be shared, before guard.Report tells of them.
type sharing struct {
	engine.Engine

	owner *Owner
}

func (s sharing) Open(ctx context.Context, options engine.SessionOptions) (engine.Session, error) {
	opened, err := s.Engine.Open(ctx, options)
	if err != nil {
		return nil, err
	}
	noted := &session{ttl: opened.TTL()}
	if sharer, ok := opened.(interface{ Share() (*os.File, error) }); ok {
		noted.lock = sharer.Share
	}
	s.owner.mu.Lock()
	defer s.owner.mu.Unlock()
	s.owner.sessions[opened.ID()] = noted
	return opened, nil
}

// End implements [engine.Ender].
func (s sharing) End(ctx context.Context, sessionID string) error {
	return engine.End(ctx, s.Engine, sessionID)
}

func (o *Owner) heed(m guard.Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if m.Opened != "" {
		o.introduce(m.Opened)
		select {
		case <-o.first:
		default:
			close(o.first)
		}
	}
	if _, known := o.sessions[m.Ended]; known {
		delete(o.sessions, m.Ended)
		o.tell(order{Session: &sessionChange{Message: m}})
	}
}

// introduce tells the shim of a session. It needs mu.
func (o *Owner) introduce(id string) {
	s := o.sessions[id]
	if s == nil || o.helper == nil {
		return
	}
	change := sessionChange{Message: guard.Message{Opened: id, TTL: s.ttl}}
	if s.lock != nil {
		lock, err := s.lock()
		if err == nil {
			err = sendLock(o.helper.locks, lock)
		}
		if change.Lock = err == nil; err != nil {
			o.log.Warn("session can't be shared: it ends with this process, and not with the command", "session", id, "err", err)
		}
	}
	o.tell(order{Session: &change})
}

// Opened is closed when the first session was opened.
func (o *Owner) Opened() <-chan struct{} { return o.first }

// Owns says whether a session is one of this process, and has not ended as far as that is known.
func (o *Owner) Owns(sessionID string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.sessions[sessionID] != nil
}
