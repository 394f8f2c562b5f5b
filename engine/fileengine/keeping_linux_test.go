package fileengine_test

import (
	"context"
	"sync"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/fileengine"
)

// keeping is an engine that keeps the sessions that were opened, so that a test gets at what a wrapper hides.
type keeping struct {
	*fileengine.Engine
	kept *openings
}

func (k *keeping) Open(ctx context.Context, o engine.SessionOptions) (engine.Session, error) {
	s, err := k.Engine.Open(ctx, o)
	if err == nil {
		k.kept.put(s)
	}
	return s, err
}

type openings struct {
	mu     sync.Mutex
	opened map[string]engine.Session
}

func (o *openings) put(s engine.Session) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.opened[s.ID()] = s
}

func (o *openings) get(id string) engine.Session {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.opened[id]
}
