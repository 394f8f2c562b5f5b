package fileengine_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/fileengine"
)

// count returns how many files a folder of the store has.
func count(t *testing.T, dir, folder string) int {
	t.Helper()
	files, err := os.ReadDir(inside(dir, "v1.*/"+folder))
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

func TestLogStaysShortAndTheRemainsOfTheDeadGo(t *testing.T) {
	t.Parallel()
	dir := inMemory(t)
	e := connect(t, dir)
	kept := open(t, e)
	create(t, kept, "kept/a")
	root := inside(dir, "v1.*")
	remains := []string{"/draft/left", "/session/0123456789.end", "/session/abcdef", "/session/abcdef.end"}
	for _, name := range remains {
		if err := syscall.Mknod(root+name, syscall.S_IFIFO|0o600, 0); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		overtake(t, e)
	}
	for folder, most := range map[string]int{"log": 2300, "state": 2, "draft": 0, "session": 2} {
		if n := count(t, dir, folder); n > most {
			t.Errorf("after 6600 changes there are %d files in %s, want at most %d", n, folder, most)
		}
	}
	if err := kept.Renew(t.Context()); err != nil {
		t.Errorf("after the log was shortened a renewal says: %v", err)
	}
	mirrorOf(t, connect(t, dir), "kept/").shows(t, "kept/a")
}

func TestProcessThatSleptWhileTheLogWasShortened(t *testing.T) {
	t.Parallel()
	dir := inMemory(t)
	sleeper, writer := connect(t, dir), connect(t, dir)
	m := mirrorOf(t, writer, "q/")
	own := open(t, sleeper)
	gone := create(t, own, "q/gone")
	s := open(t, writer)
	if err := s.Delete(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	overtake(t, writer)
	later := create(t, s, "q/later")
	if err := own.Renew(t.Context()); err != nil {
		t.Errorf("a renewal says: %v", err)
	}
	if r, err := own.Create(t.Context(), later.Key, nil); r.Created != later.Created {
		t.Errorf("a creation of what is there returns %v and says: %v", r, err)
	}
	if r := create(t, own, "q/gone"); r.Created <= later.Created {
		t.Errorf("created %d, then %d", later.Created, r.Created)
	}
	m.shows(t, "q/gone", "q/later")
	mirrorOf(t, sleeper, "q/").shows(t, "q/gone", "q/later")
}

// TestChangeOnANumberThatIsFreeAgainIsNotRead leaves what a process leaves that is killed after it has linked, before it
// could see that its number had been given out long ago.
func TestChangeOnANumberThatIsFreeAgainIsNotRead(t *testing.T) {
	t.Parallel()
	dir := inMemory(t)
	sleeper, writer := connect(t, dir), connect(t, dir)
	own := open(t, sleeper)
	last := create(t, own, "q/a")
	overtake(t, writer)
	change := fmt.Sprintf(`{"op":"create","session":%q,"key":"q/never"}`, own.ID())
	path := inside(dir, "v1.*") + "/log/" + strconv.FormatUint(last.Created+1, 10)
	if err := os.WriteFile(path, []byte(change), 0o600); err != nil {
		t.Fatal(err)
	}
	mirrorOf(t, sleeper, "q/").shows(t, "q/a")
	mirrorOf(t, connect(t, dir), "q/").shows(t, "q/a")
}

func TestStoreThatGoesBackToAnEarlierState(t *testing.T) {
	t.Parallel()
	dir := inMemory(t)
	e := connect(t, dir)
	s := open(t, e)
	overtake(t, e)
	states, err := os.ReadDir(inside(dir, "v1.*/state"))
	if err != nil || len(states) != 2 {
		t.Fatalf("there are %d states, want 2 (%v)", len(states), err)
	}
	if err := s.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(inside(dir, "v1.*/state/"+states[1].Name())); err != nil {
		t.Fatal(err)
	}
	if err := s.Renew(t.Context()); !errors.Is(err, engine.ErrRewound) {
		t.Errorf("after the newest state was removed a renewal says: %v", err)
	}
}

func TestWatchThatFallsFarBehindIsGivenTheState(t *testing.T) {
	t.Parallel()
	dir := inMemory(t)
	e := connect(t, dir)
	s := open(t, e)
	resets := 0
	for u, err := range e.Watch(t.Context(), engine.WatchOptions{Prefix: ""}) {
		if err != nil {
			t.Fatal(err)
		}
		if u.Reset {
			resets++
		}
		if resets == 2 {
			if keys := keysOf(u); !slices.Equal(keys, []string{"last"}) {
				t.Errorf("the second reset holds %q, want the last record alone", keys)
			}
			break
		}
		overtake(t, e)
		create(t, s, "last")
	}
}

func keysOf(u engine.Update) (keys []string) {
	for _, c := range u.Changes {
		keys = append(keys, c.Record.Key)
	}
	return keys
}

func TestTenThousandElectionsVanishInOneUpdate(t *testing.T) {
	t.Parallel()
	const n = 10_000
	dir := inMemory(t)
	s := open(t, connect(t, dir))
	begun := time.Now()
	for i := range n {
		create(t, s, fmt.Sprintf("election/%d/%s", i, s.ID()))
	}
	t.Logf("%d creations took %v", n, time.Since(begun))
	var sizes []int
	for u, err := range connect(t, dir).Watch(t.Context(), engine.WatchOptions{Prefix: "election/"}) {
		if err != nil {
			t.Fatal(err)
		}
		if sizes = append(sizes, len(u.Changes)); len(sizes) == 2 {
			break
		}
		fileengine.Abandon(s)
	}
	if !slices.Equal(sizes, []int{n, n}) {
		t.Errorf("updates of %v changes, want one reset and one end of %d each", sizes, n)
	}
}

func TestSaysWhichFileIsMissingOrUnreadable(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(path string) error{
		"missing":    os.Remove,
		"unreadable": func(path string) error { return os.WriteFile(path, []byte("{"), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir() + "/store"
			s := open(t, connect(t, dir))
			r := create(t, s, "a")
			create(t, s, "b")
			path := fmt.Sprintf("%s/log/%d", inside(dir, "v1.*"), r.Created)
			if err := harm(path); err != nil {
				t.Fatal(err)
			}
			if _, err := fileengine.New(dir); err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("New says: %v; want the name of %s", err, path)
			}
		})
	}
}

func TestRefusesWhatItCannotServe(t *testing.T) {
	t.Parallel()
	e := connect(t, t.TempDir()+"/store")
	if _, err := e.Open(t.Context(), engine.SessionOptions{TTL: -time.Second}); err == nil || !strings.Contains(err.Error(), "-1s") {
		t.Errorf("a TTL of -1s: %v", err)
	}
	s := open(t, e)
	for _, key := range []string{"", string(make([]byte, 1025)), "\xff"} {
		if _, err := s.Create(t.Context(), key, nil); err == nil {
			t.Errorf("the key %.10q of %d bytes was accepted", key, len(key))
		}
	}
	if _, err := s.Create(t.Context(), "a", make([]byte, 1<<20+1)); err == nil {
		t.Error("a value of more than 1 MiB was accepted")
	}
}
