package fileengine_test

import (
	"context"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/fileengine"
)

// fresh returns a directory for a store, an engine on it, and a mirror.
func fresh(t *testing.T) (string, engine.Engine, *mirror) {
	t.Helper()
	dir := t.TempDir()
	e := connect(t, dir+"/store")
	return dir + "/store", e, mirrorOf(t, e, "")
}

func open(t testing.TB, e engine.Engine) engine.Session {
	t.Helper()
	s, err := e.Open(t.Context(), engine.SessionOptions{TTL: ttl})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func create(t testing.TB, s engine.Session, key string) engine.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := s.Create(ctx, key, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRecordsOfAKilledProcessVanishAtOnce(t *testing.T) {
	t.Parallel()
	dir, _, m := fresh(t)
	for range 5 {
		p := start(t, "hold", dir, "q/1", "q/2")
		p.says(t, "ready")
		m.shows(t, "q/1", "q/2")
		p.kill()
		m.shows(t) // nothing else would remove them: there is no timer anywhere
	}
}

func TestRecordsOfTheKilledAreGoneForWhoComesLater(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/store"
	p := start(t, "hold", dir, "q/1")
	p.says(t, "ready")
	p.kill()
	e := connect(t, dir)
	for u, err := range e.Watch(t.Context(), engine.WatchOptions{}) {
		if err != nil || len(u.Changes) != 0 {
			t.Errorf("the first update is %v, want an empty reset (%v)", u, err)
		}
		break
	}
}

func TestKeyOfTheKilledIsFreeWithoutAWatch(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/store"
	p := start(t, "hold", dir, "q/1")
	p.says(t, "ready")
	p.kill()
	create(t, open(t, connect(t, dir)), "q/1")
}

// TestStoppedInTheMiddleOfATest has a process hold the lock of a dead session as one does that is stopped while it tests it.
func TestStoppedInTheMiddleOfATest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/store"
	e := connect(t, dir)
	s := open(t, e)
	create(t, s, "q/1")
	fifo, err := syscall.Open(inside(dir, "v1.*/session/"+s.ID()), syscall.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fifo)
	fileengine.Abandon(s)
	if err := syscall.Flock(fifo, syscall.LOCK_SH|syscall.LOCK_NB); err != nil {
		t.Fatal(err)
	}
	create(t, open(t, e), "q/1")
}

func TestStoppedProcessKeepsItsPlaceAndHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	dir, e, m := fresh(t)
	p := start(t, "hold", dir, "q/1")
	p.says(t, "ready")
	p.signal(syscall.SIGSTOP)
	s := open(t, e)
	m.shows(t, "q/1")
	r := create(t, s, "q/2")
	m.shows(t, "q/1", "q/2")
	if err := s.Delete(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * ttl) // that the TTL has passed must mean nothing
	m.shows(t, "q/1")
	p.signal(syscall.SIGCONT)
	p.stdin.Write([]byte("\n")) //nolint:errcheck // says would fail
	if lost := p.says(t, "renewed"); !strings.HasPrefix(lost, "false") {
		t.Errorf("the process that went on says of its renewal: lost %s", lost)
	}
	p.kill()
	m.shows(t)
}

func TestStoppedProcessCanBeEndedByItsID(t *testing.T) {
	t.Parallel()
	dir, e, m := fresh(t)
	p := start(t, "hold", dir, "q/1")
	id := p.says(t, "ready")
	m.shows(t, "q/1")
	p.signal(syscall.SIGSTOP)
	if err := engine.End(t.Context(), e, id); err != nil {
		t.Fatal(err)
	}
	m.shows(t)
	p.signal(syscall.SIGCONT)
	p.stdin.Write([]byte("\n")) //nolint:errcheck // says would fail
	if lost := p.says(t, "renewed"); !strings.HasPrefix(lost, "true") {
		t.Errorf("the process whose session was ended says of its renewal: lost %s", lost)
	}
}

func TestSharedSessionLivesAsLongAsTheChild(t *testing.T) {
	t.Parallel()
	dir, e, m := fresh(t)
	p := start(t, "borrow", dir, "q/1")
	child, err := strconv.Atoi(p.says(t, "child"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(child, syscall.SIGKILL) })
	m.shows(t, "q/1")
	p.kill()
	s := open(t, e)
	create(t, s, "q/2")
	m.shows(t, "q/1", "q/2")
	if _, err := s.Create(t.Context(), "q/1", nil); err == nil {
		t.Error("the key of a session that is shared with a living child was free")
	}
	if err := syscall.Kill(child, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	m.shows(t, "q/2")
}
