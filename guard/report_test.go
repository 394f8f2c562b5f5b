package guard_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/ramengine"
	"github.com/singleton-go/singleton/guard"
)

func TestReportTellsHowASessionEnds(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	for name, c := range map[string]struct {
		harm func(store *ramengine.Engine, id string) error
		call func(engine.Session) error
	}{
		"closed": {
			call: func(s engine.Session) error { return s.Close(ctx) },
		},
		"lost, seen by a renewal": {
			harm: func(store *ramengine.Engine, id string) error { return store.End(ctx, id) },
			call: func(s engine.Session) error { return s.Renew(ctx) },
		},
		"lost, seen by a creation": {
			harm: func(store *ramengine.Engine, id string) error { return store.End(ctx, id) },
			call: func(s engine.Session) error { _, err := s.Create(ctx, "k", nil); return err },
		},
		"lost, seen by a replacement": {
			harm: func(store *ramengine.Engine, id string) error { return store.End(ctx, id) },
			call: func(s engine.Session) error {
				_, err := s.Replace(ctx, engine.Record{Key: "k"}, nil)
				return err
			},
		},
		"the store went back": {
			harm: func(store *ramengine.Engine, _ string) error { store.Rewind(); return nil },
			call: func(s engine.Session) error { return s.Renew(ctx) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := ramengine.New()
			var told []guard.Message
			e := guard.Report(store.Connect(), func(m guard.Message) { told = append(told, m) })
			s, err := e.Open(ctx, engine.SessionOptions{TTL: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			opened := guard.Message{Opened: s.ID(), TTL: time.Minute}
			if err := s.Renew(ctx); err != nil || !slices.Equal(told, []guard.Message{opened}) {
				t.Errorf("while it is open: error %v, told %v", err, told)
			}
			if c.harm != nil {
				if err := c.harm(store, s.ID()); err != nil {
					t.Fatal(err)
				}
			}
			err = c.call(s)
			if want := []guard.Message{opened, {Ended: s.ID()}}; !slices.Equal(told, want) {
				t.Errorf("after %v: told %v, want %v", err, told, want)
			}
		})
	}
}

// A session that could not be closed lives on, and its guard must know of it.
func TestReportKeepsASessionThatCouldNotBeClosed(t *testing.T) {
	t.Parallel()
	var told []guard.Message
	e := guard.Report(ramengine.New(), func(m guard.Message) { told = append(told, m) })
	s, err := e.Open(t.Context(), engine.SessionOptions{TTL: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Close(over); err == nil || len(told) != 1 {
		t.Errorf("error %v, told %v", err, told)
	}
}

func TestReportHasWhatItsEngineHas(t *testing.T) {
	t.Parallel()
	store := ramengine.New()
	if err := engine.End(t.Context(), guard.Report(store, nil), "unknown"); err != nil {
		t.Error(err)
	}
	type plain struct{ engine.Engine }
	if err := engine.End(t.Context(), guard.Report(plain{store}, nil), "x"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("an engine that can't end sessions: %v", err)
	}
}

func TestCheckRefusesAnEngineThatCannotEndSessions(t *testing.T) {
	t.Parallel()
	if err := guard.Check(ramengine.New()); err != nil {
		t.Error(err)
	}
	type plain struct{ engine.Engine }
	if err := guard.Check(plain{ramengine.New()}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got %v", err)
	}
}
