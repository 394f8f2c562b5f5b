package fileengine_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/fileengine"
)

func TestRefusesADirectoryThatIsNotOursAlone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		make func(dir string) error
		says string
	}{
		"group may enter": {func(dir string) error { return mkdir(dir, 0o710) }, "mode 0710"},
		"others may read": {func(dir string) error { return mkdir(dir, 0o704) }, "mode 0704"},
		"a file":          {func(dir string) error { return os.WriteFile(dir, nil, 0o600) }, "not a directory"},
		"a symbolic link": {func(dir string) error { return os.Symlink("/tmp", dir) }, "symbolic link"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir() + "/store"
			if err := c.make(dir); err != nil {
				t.Fatal(err)
			}
			refuses(t, dir, c.says)
		})
	}
}

func TestRefusesADirectoryOfAnotherUser(t *testing.T) {
	t.Parallel()
	needRoot(t)
	dir := t.TempDir()
	if err := errors.Join(os.Chmod(dir, 0o700), os.Chown(dir, 4711, 4711)); err != nil {
		t.Fatal(err)
	}
	refuses(t, dir, "belongs to user 4711")
}

func refuses(t *testing.T, dir, says string) {
	t.Helper()
	_, err := fileengine.New(dir)
	if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), dir) {
		t.Errorf("New says: %v; want the directory and %q", err, says)
	}
}

func mkdir(dir string, mode fs.FileMode) error {
	return errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, mode))
}

func TestKnowsNetworkFileSystems(t *testing.T) {
	t.Parallel()
	for kind, want := range map[int64]string{
		0x6969: "NFS", 0x517B: "SMB", 0xFF534D42: "CIFS", 0xFE534D42 - 1<<32: "SMB2", 0x01021997: "9P", 0x65735546: "FUSE",
		0x00C36400: "Ceph", 0x0BD00BD0: "Lustre", 0x01161970: "GFS2", 0x7461636F: "OCFS2", 0x5346414F: "AFS",
		0xEF53: "", 0x01021994: "", 0x794C7630: "", 0x58465342: "", 0x9123683E - 1<<32: "", 0x2FC12FC1: "", 0xF2F52010: "",
	} {
		if got := fileengine.Network(kind); got != want {
			t.Errorf("the file system %#x is %q, want %q", kind, got, want)
		}
	}
}

func TestNobodyElseMayReadIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/made/on/the/way"
	create(t, open(t, connect(t, dir)), "a")
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		}
		if err == nil && info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v", path, info.Mode(), want)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestDirectoryThatIsTakenAwayEndsTheSession(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(dir string) error{
		"removed": os.RemoveAll,
		"emptied": func(dir string) error { return errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)) },
		"moved":   func(dir string) error { return os.Rename(dir, dir+".away") },
		"parent moved": func(dir string) error {
			return os.Rename(filepath.Dir(dir), filepath.Dir(dir)+".away")
		},
		"store removed": func(dir string) error { return os.RemoveAll(inside(dir, "v1.*")) },
		"log removed":   func(dir string) error { return os.RemoveAll(inside(dir, "v1.*/log")) },
		"newest changes removed": func(dir string) error {
			return errors.Join(os.RemoveAll(inside(dir, "v1.*/log")), os.Mkdir(inside(dir, "v1.*")+"/log", 0o700))
		},
		"states removed": func(dir string) error { return os.Remove(inside(dir, "v1.*/state/*")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir() + "/parent/store"
			e := connect(t, dir)
			s := open(t, e)
			create(t, s, "a")
			if err := harm(dir); err != nil {
				t.Fatal(err)
			}
			if err := s.Renew(t.Context()); !errors.Is(err, engine.ErrRewound) {
				t.Errorf("a renewal says: %v", err)
			}
			if _, err := s.Create(t.Context(), "b", nil); !errors.Is(err, engine.ErrRewound) {
				t.Errorf("a creation says: %v", err)
			}
		})
	}
}

// inside returns the one file that the pattern is about.
func inside(dir, pattern string) string {
	all, err := filepath.Glob(dir + "/" + pattern)
	if err != nil || len(all) != 1 {
		return fmt.Sprintf("%s: %q is not one file", dir, all)
	}
	return all[0]
}

func TestWatchSeesAtOnceThatTheDirectoryIsTakenAway(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(dir string) error{
		"removed": os.RemoveAll,
		"moved":   func(dir string) error { return os.Rename(dir, dir+".away") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir() + "/store"
			var last error
			for _, err := range connect(t, dir).Watch(t.Context(), engine.WatchOptions{}) {
				if last = err; err == nil {
					if err := harm(dir); err != nil {
						t.Fatal(err)
					}
				}
			}
			if !errors.Is(last, engine.ErrRewound) {
				t.Errorf("the watch ended with: %v", last)
			}
		})
	}
}

func TestSessionFileThatIsRemovedByHandEndsTheSession(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/store"
	e := connect(t, dir)
	s := open(t, e)
	create(t, s, "a")
	if err := os.Remove(inside(dir, "v1.*/session/"+s.ID())); err != nil {
		t.Fatal(err)
	}
	if err := s.Renew(t.Context()); !errors.Is(err, engine.ErrLost) {
		t.Errorf("a renewal says: %v", err)
	}
	create(t, open(t, e), "a")
}

func TestSessionWithoutAFileIsDeadToAWatch(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/store"
	s := open(t, connect(t, dir))
	create(t, s, "a")
	fileengine.Abandon(s)
	if err := os.Remove(inside(dir, "v1.*/session/"+s.ID())); err != nil {
		t.Fatal(err)
	}
	mirrorOf(t, connect(t, dir), "").shows(t)
}

func TestNumbersRiseOverARestartOfTheMachine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/store"
	for range 3 {
		first := create(t, open(t, connect(t, dir)), "a")
		ceiling, err := strconv.ParseUint(strings.TrimPrefix(inside(dir, "ceiling.*"), dir+"/ceiling."), 10, 64)
		if err != nil || ceiling < first.Created {
			t.Fatalf("Created %d is above the ceiling %d (%v)", first.Created, ceiling, err)
		}
		// As after a restart, with a clock that was set back by two hours.
		future := uint64(time.Now().Add(2 * time.Hour).UnixMicro())
		harm := errors.Join(
			os.Rename(inside(dir, "v1.*"), dir+"/v1.of-an-earlier-start"),
			os.WriteFile(fmt.Sprintf("%s/ceiling.%d", dir, future), nil, 0o600),
		)
		if harm != nil {
			t.Fatal(harm)
		}
		second := create(t, open(t, connect(t, dir)), "a")
		if second.Created <= future {
			t.Errorf("after a restart Created is %d, and %d may have been used", second.Created, future)
		}
		inside(dir, "ceiling.*")
		if _, err := os.Stat(dir + "/v1.of-an-earlier-start"); err == nil {
			t.Error("the earlier store is still there")
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNoNumberAboveTheCeilingIsGivenOut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/store"
	first := create(t, open(t, connect(t, dir)), "a")
	harm := os.Rename(inside(dir, "ceiling.*"), fmt.Sprintf("%s/ceiling.%d", dir, first.Created))
	if harm != nil {
		t.Fatal(harm)
	}
	second := create(t, open(t, connect(t, dir)), "b")
	ceiling, err := strconv.ParseUint(strings.TrimPrefix(inside(dir, "ceiling.*"), dir+"/ceiling."), 10, 64)
	if err != nil || ceiling < second.Created {
		t.Errorf("Created %d is above the ceiling %d (%v)", second.Created, ceiling, err)
	}
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := mount(t, "size=400k")
	e := connect(t, dir)
	m := mirrorOf(t, e, "")
	stays, closes, dies := open(t, e), open(t, connect(t, dir)), open(t, connect(t, dir))
	create(t, stays, "q/1")
	create(t, closes, "q/2")
	create(t, dies, "q/3")
	m.shows(t, "q/1", "q/2", "q/3")
	fill(t, dir+"/filler")
	if _, err := stays.Create(t.Context(), "q/4", []byte("x")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a creation on a full disk says: %v", err)
	}
	if err := stays.Renew(t.Context()); err != nil {
		t.Errorf("a renewal on a full disk says: %v", err)
	}
	if err := closes.Close(t.Context()); err != nil {
		t.Errorf("the close of a session on a full disk says: %v", err)
	}
	m.shows(t, "q/1", "q/3")
	fileengine.Abandon(dies)
	m.shows(t, "q/1")
	if err := os.Remove(dir + "/filler"); err != nil {
		t.Fatal(err)
	}
	create(t, stays, "q/4")
	m.shows(t, "q/1", "q/4")
}

// fill writes until there is no space at all.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

func TestReadOnlyDirectory(t *testing.T) {
	t.Parallel()
	dir := mount(t, "size=4m")
	s := open(t, connect(t, dir))
	create(t, s, "q/1")
	remount(t, dir, syscall.MS_RDONLY)
	e := connect(t, dir)
	mirrorOf(t, e, "").shows(t, "q/1")
	if _, err := e.Open(t.Context(), engine.SessionOptions{TTL: ttl}); !errors.Is(err, syscall.EROFS) {
		t.Errorf("opening a session on a read-only file system says: %v", err)
	}
	if err := s.Renew(t.Context()); err != nil {
		t.Errorf("a renewal on a read-only file system says: %v", err)
	}
	remount(t, dir, 0)
	open(t, e)
}

func TestReadOnlyDirectoryWithoutAStore(t *testing.T) {
	t.Parallel()
	dir := mount(t, "size=4m")
	remount(t, dir, syscall.MS_RDONLY)
	refuses(t, dir, "read-only")
}

// mount returns a small file system of its own.
func mount(t *testing.T, options string) string {
	t.Helper()
	needRoot(t)
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=0700,"+options); err != nil {
		t.Fatalf("mount: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func remount(t *testing.T, dir string, flags uintptr) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|flags, ""); err != nil {
		t.Fatalf("remount: %v", err)
	}
}

// needRoot skips what only root can try out.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("CI must run this as root")
	}
	t.Skip("run it as root: sudo go test ./engine/fileengine")
}
