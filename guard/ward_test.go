package guard_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/ramengine"
	"github.com/singleton-go/singleton/guard"
)

var errAway = errors.New("the store is away")

// A moody engine can't end sessions for the first while.
type moody struct {
	*ramengine.Engine

	until time.Time
	tries atomic.Int64
}

func (m *moody) End(ctx context.Context, id string) error {
	m.tries.Add(1)
	if time.Now().Before(m.until) {
		<-ctx.Done() // it doesn't answer
		return context.Cause(ctx)
	}
	return m.Engine.End(ctx, id)
}

func connected(t *testing.T, e engine.Engine) *guard.Ward {
	t.Helper()
	w := guard.NewWard(func(context.Context) (engine.Engine, error) { return e, nil })
	w.Connect(t.Context(), func(err error) {
		if err != nil {
			t.Error(err)
		}
	})
	return w
}

func TestWardConnectsAgainAndAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		w := guard.NewWard(func(context.Context) (engine.Engine, error) {
			if time.Since(begin) < time.Minute {
				return nil, errAway
			}
			return ramengine.New(), nil
		})
		var problems []error
		w.Connect(t.Context(), func(err error) { problems = append(problems, err) })
		last := len(problems) - 1
		if n := len(slices.Compact(problems[:last])); n != 1 || !errors.Is(problems[0], errAway) || problems[last] != nil {
			t.Errorf("problems %v", problems)
		}
		if took := time.Since(begin); took > time.Minute+time.Second || last > 100 {
			t.Errorf("connected after %v and %d failures", took, last)
		}
	})
}

func TestWardRefusesAnEngineThatCannotEndSessions(t *testing.T) {
	t.Parallel()
	type plain struct{ engine.Engine }
	w := guard.NewWard(func(context.Context) (engine.Engine, error) { return plain{ramengine.New()}, nil })
	var problem error
	w.Connect(t.Context(), func(err error) { problem = err })
	if !errors.Is(problem, errors.ErrUnsupported) {
		t.Errorf("got %v", problem)
	}
}

func TestWardWithoutAnEngineGivesUpAfterTheTTL(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := guard.NewWard(func(context.Context) (engine.Engine, error) { return nil, errAway })
		ctx, cancel := context.WithCancel(t.Context())
		go w.Connect(ctx, func(error) {})
		w.Heed(guard.Message{Opened: "1", TTL: time.Minute})
		begin := time.Now()
		if err := w.End(t.Context()); err == nil || time.Since(begin) != time.Minute {
			t.Errorf("error %v after %v", err, time.Since(begin))
		}
		cancel()
		synctest.Wait()
	})
}

func TestWardEndsEachSessionWithinItsTTL(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &moody{Engine: ramengine.New(), until: time.Now().Add(5 * time.Second)}
		w := connected(t, store)
		opened := map[time.Duration]engine.Session{}
		for _, ttl := range []time.Duration{time.Second, time.Minute, time.Hour} {
			s, err := store.Open(t.Context(), engine.SessionOptions{TTL: ttl})
			if err != nil {
				t.Fatal(err)
			}
			w.Heed(guard.Message{Opened: s.ID(), TTL: ttl})
			opened[ttl] = s
		}
		w.Heed(guard.Message{Ended: opened[time.Hour].ID()})
		begin := time.Now()
		err := w.End(t.Context())
		if took := time.Since(begin); took < 5*time.Second || took > 8*time.Second {
			t.Errorf("ended after %v, and the store came back after 5 s", took)
		}
		if err == nil || !strings.Contains(err.Error(), context.DeadlineExceeded.Error()) {
			t.Errorf("error %v, want the deadline of the first session", err)
		}
		if n := store.tries.Load(); n > 20 {
			t.Errorf("%d tries", n)
		}
		for ttl, want := range map[time.Duration]error{time.Minute: engine.ErrLost, time.Hour: nil} {
			if err := opened[ttl].Renew(t.Context()); !errors.Is(err, want) {
				t.Errorf("session with TTL %v: %v, want %v", ttl, err, want)
			}
		}
	})
}
