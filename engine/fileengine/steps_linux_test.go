package fileengine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/fileengine"
)

// script makes each kind of change once, and says "done", or "lost" if its session was ended meanwhile.
func script(ctx context.Context, dir string, _ []string) error {
	syscall.RawSyscall(syscall.SYS_GETPGID, traceBegin, 0, 0) //nolint:errcheck // it only tells the tracer
	err := everyChange(ctx, dir)
	if errors.Is(err, engine.ErrLost) {
		fmt.Println("lost")
		return nil
	}
	if err == nil {
		fmt.Println("done")
	}
	return err
}

func everyChange(ctx context.Context, dir string) error {
	e, s, err := openSession(ctx, dir)
	if errors.Is(err, fileengine.ErrHeldUp) {
		e, s, err = openSession(ctx, dir)
	}
	if err != nil {
		return err
	}
	a, err := createAnyhow(ctx, s, "q/a")
	if err != nil {
		return err
	}
	for u, err := range e.Watch(ctx, engine.WatchOptions{Prefix: "q/a"}) {
		if err != nil || len(u.Changes) > 1 {
			return fmt.Errorf("a watch begins with %v: %w", u, err)
		}
		break
	}
	b, err := createAnyhow(ctx, s, "q/b")
	if err != nil {
		return err
	}
	if b.Created <= a.Created {
		return fmt.Errorf("created %d, then %d", a.Created, b.Created)
	}
	if err := twice(func() error { _, err := s.Replace(ctx, a, []byte("2")); return err }); err != nil {
		return err
	}
	if err := twice(func() error { return s.Delete(ctx, b) }); err != nil {
		return err
	}
	if err := twice(func() error { return s.Renew(ctx) }); err != nil {
		return err
	}
	return twice(func() error { return s.Close(ctx) })
}

// createAnyhow creates a record, again where the first answer is that nobody knows.
func createAnyhow(ctx context.Context, s engine.Session, key string) (engine.Record, error) {
	r, err := s.Create(ctx, key, nil)
	if errors.Is(err, fileengine.ErrHeldUp) {
		r, err = s.Create(ctx, key, nil)
	}
	if errors.Is(err, engine.ErrExists) && r.Session == s.ID() {
		err = nil
	}
	return r, err
}

// twice makes a call again if the first answer is that nobody knows.
func twice(call func() error) error {
	err := call()
	if errors.Is(err, fileengine.ErrHeldUp) {
		err = call()
	}
	return err
}

// atSteps calls test for every changing step of the script until there are no more. A short run takes one in 5, or where
// changes is set those that make changes.
func atSteps(t *testing.T, changes bool, test func(t *testing.T, at step) (reached bool)) {
	t.Helper()
	at, every, least := step{changing, 1}, 1, 50
	switch {
	case *tortureFor >= time.Minute:
	case changes:
		at.calls, least = making, 12
	default:
		every = 5
		at.nth += rand.N(every)
	}
	for ; test(t, at); at.nth += every {
		if t.Failed() {
			t.Fatalf("at step %d", at.nth)
		}
	}
	if at.nth < least {
		t.Errorf("the script had no more than %d steps: the tracer does not see them", at.nth)
	}
	t.Logf("%d steps", at.nth)
}

func TestKilledAtEachStepOnANewDirectory(t *testing.T) {
	t.Parallel()
	atSteps(t, false, func(t *testing.T, at step) bool {
		dir := inMemory(t)
		_, reached := tracer{"script", dir, at, killIt}.run(t)
		e := connect(t, dir)
		useAll(t, e, mirrorOf(t, e, "q/"))
		return reached
	})
}

func TestKilledAtEachStepBesideOthers(t *testing.T) {
	t.Parallel()
	dir := inMemory(t)
	e := connect(t, dir)
	m := mirrorOf(t, e, "q/")
	atSteps(t, false, func(t *testing.T, at step) bool {
		_, reached := tracer{"script", dir, at, killIt}.run(t)
		m.shows(t)
		useAll(t, e, m)
		return reached
	})
}

func TestStoppedAtEachStepOnANewDirectory(t *testing.T) {
	t.Parallel()
	atSteps(t, true, func(t *testing.T, at step) bool {
		dir := inMemory(t)
		said, reached := tracer{"script", dir, at, func(int) { overtake(t, connect(t, dir)) }}.run(t)
		if said != "done\n" {
			t.Errorf("the process that was stopped says %q", said)
		}
		e := connect(t, dir)
		useAll(t, e, mirrorOf(t, e, "q/"))
		return reached
	})
}

func TestStoppedAtEachStepBesideOthers(t *testing.T) {
	t.Parallel()
	dir := inMemory(t)
	e := connect(t, dir)
	m := mirrorOf(t, e, "q/")
	atSteps(t, true, func(t *testing.T, at step) bool {
		said, reached := tracer{"script", dir, at, func(int) { overtake(t, e) }}.run(t)
		if said != "done\n" {
			t.Errorf("the process that was stopped says %q", said)
		}
		m.shows(t)
		useAll(t, e, m)
		return reached
	})
}

func TestEndedWhileStoppedAtEachStep(t *testing.T) {
	t.Parallel()
	dir := inMemory(t)
	e := connect(t, dir)
	m := mirrorOf(t, e, "q/")
	atSteps(t, true, func(t *testing.T, at step) bool {
		said, reached := tracer{"script", dir, at, func(int) { endAll(t, e, dir, m) }}.run(t)
		if said != "done\n" && said != "lost\n" {
			t.Errorf("the process that was stopped says %q", said)
		}
		m.shows(t)
		useAll(t, e, m)
		return reached
	})
}

func killIt(pid int) { _ = syscall.Kill(pid, syscall.SIGKILL) }

// useAll makes each kind of change, and sees it.
func useAll(t *testing.T, e engine.Engine, m *mirror) {
	t.Helper()
	s := open(t, e)
	a := create(t, s, "q/a")
	m.shows(t, "q/a")
	b := create(t, s, "q/b")
	if b.Created <= a.Created {
		t.Errorf("created %d, then %d", a.Created, b.Created)
	}
	if err := s.Delete(t.Context(), a); err != nil {
		t.Error(err)
	}
	m.shows(t, "q/b")
	if err := errors.Join(s.Renew(t.Context()), s.Close(t.Context())); err != nil {
		t.Error(err)
	}
	m.shows(t)
}

// overtake makes so many changes that the log is removed up to what a process knows that stands still.
func overtake(t *testing.T, e engine.Engine) {
	t.Helper()
	s := open(t, e)
	for range 1100 {
		if err := s.Delete(t.Context(), create(t, s, "other/a")); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// endAll ends all sessions that have a file.
func endAll(t *testing.T, e engine.Engine, dir string, m *mirror) {
	t.Helper()
	stores, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, store := range stores {
		sessions, _ := os.ReadDir(dir + "/" + store.Name() + "/session") // the ceilings are files
		for _, session := range sessions {
			id := strings.TrimSuffix(session.Name(), ".end")
			m.mu.Lock()
			lived := m.has(id)
			m.mu.Unlock()
			if err := engine.End(t.Context(), e, id); err != nil {
				t.Fatal(err)
			}
			m.until(t, "end of its records", func([]string) bool { return !m.has(id) })
			if lived { // or else it may not have begun
				m.forbid(id)
			}
		}
	}
}
