package filefence_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/singleton-go/singleton/fence"
	"github.com/singleton-go/singleton/fence/filefence"
)

const election = "worker/data-sync"

func term(token uint64) fence.Term { return fence.NewTerm(election, token) }

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// writes are the two ways to write; the rule is the same for both.
var writes = map[string]func(ctx context.Context, path string, term fence.Term, data []byte) error{
	"append":  filefence.Append,
	"replace": filefence.Replace,
}

func TestAnOlderTermIsRefused(t *testing.T) {
	t.Parallel()
	for name, write := range writes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "with a space", "ledger")
			if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			for _, token := range []uint64{7, 9, 9} {
				if err := write(t.Context(), path, term(token), []byte("good")); err != nil {
					t.Errorf("token %d: %v", token, err)
				}
			}
			before := read(t, path)
			for other, write := range writes { // one mark serves both ways
				err := write(t.Context(), path, term(7), []byte("bad"))
				var stale *fence.StaleError
				if !errors.As(err, &stale) || stale.Token != 7 || stale.Newest != 9 || stale.Election != election {
					t.Errorf("%s with token 7 after 9: %v", other, err)
				} else if filepath.Base(stale.Resource) != "ledger" {
					t.Errorf("resource %q", stale.Resource)
				}
			}
			if after := read(t, path); after != before {
				t.Errorf("the refused ones have written: %q", after)
			}
			if err := write(t.Context(), path, fence.NewTerm("worker/other", 1), []byte("good")); err != nil {
				t.Errorf("another election: %v", err)
			}
			if err := write(t.Context(), path+"2", term(1), []byte("good")); err != nil {
				t.Errorf("another file: %v", err)
			}
		})
	}
}

func TestWhatIsNoTermLeavesNoTrace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, write := range writes {
		if err := write(t.Context(), filepath.Join(dir, "f"), term(0), nil); !errors.Is(err, fence.ErrInvalid) {
			t.Errorf("%s with token 0: %v", name, err)
		}
		if err := write(t.Context(), filepath.Join(dir, "f"), nil, nil); !errors.Is(err, fence.ErrNoTerm) {
			t.Errorf("%s without a term: %v", name, err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
}

func TestContentAndPermissionsAreTheUsers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	steps := []func() error{
		func() error { return filefence.Append(t.Context(), path, term(1), []byte("one\n")) },
		func() error { return filefence.Append(t.Context(), path, term(1), nil) },
		func() error { return filefence.Append(t.Context(), path, term(1), []byte("two\n")) },
		func() error { return os.Chmod(path, 0o640) },
		func() error { return filefence.Replace(t.Context(), path, term(2), []byte("three\n")) },
		func() error { return filefence.Append(t.Context(), path, term(3), []byte("four\n")) },
	}
	for i, step := range steps {
		if err := step(); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
	if got := read(t, path); got != "three\nfour\n" {
		t.Errorf("%q", got)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestALinkIsTheFileThatItLeadsTo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, link, nowhere := filepath.Join(dir, "f"), filepath.Join(dir, "l"), filepath.Join(dir, "n")
	if err := errors.Join(os.Symlink(file, link), os.Symlink("gone", nowhere)); err != nil {
		t.Fatal(err)
	}
	if err := filefence.Append(t.Context(), file, term(9), []byte("x")); err != nil {
		t.Fatal(err)
	}
	for name, write := range writes {
		if err := write(t.Context(), link, term(7), []byte("y")); !errors.Is(err, fence.ErrStale) {
			t.Errorf("%s through a link: %v", name, err)
		}
		if err := write(t.Context(), nowhere, term(7), []byte("y")); err == nil {
			t.Errorf("%s through a link to nothing is accepted", name)
		}
		if err := write(t.Context(), dir, term(7), []byte("y")); err == nil {
			t.Errorf("%s to a folder is accepted", name)
		}
		if err := write(t.Context(), file+".fence", term(7), []byte("y")); err == nil {
			t.Errorf("%s to a mark is accepted", name)
		}
	}
	if err := filefence.Replace(t.Context(), link, term(9), []byte("z")); err != nil || read(t, file) != "z" {
		t.Errorf("%v, %q", err, read(t, file))
	}
}

func TestAFailedWriteStillCountsTheToken(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.Mkdir(path+".fence.new", 0o700); err != nil { // in the way of a replace
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(path+".fence.new", "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := filefence.Replace(t.Context(), path, term(9), nil); err == nil || errors.Is(err, fence.ErrStale) {
		t.Fatalf("replace: %v", err)
	}
	if err := filefence.Append(t.Context(), path, term(7), nil); !errors.Is(err, fence.ErrStale) {
		t.Errorf("older after a newer one that failed half way: %v", err)
	}
}

func TestADamagedMarkIsNotGuessed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	for _, text := range []string{"", "{", "null", "{}", `{"tokens":{"a":-1}}`} {
		if err := os.WriteFile(path+".fence", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := filefence.Append(t.Context(), path, term(9), nil); err == nil || !strings.Contains(err.Error(), "f.fence") {
			t.Errorf("mark %q: %v", text, err)
		}
	}
}

func TestResetIsForOneElectionAndIsLogged(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	other := fence.NewTerm("worker/other", 9)
	if err := errors.Join(
		filefence.Append(t.Context(), path, term(9), nil),
		filefence.Append(t.Context(), path, other, nil),
	); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	r := fence.Reset{Resource: path, Election: election, Reason: "restored", Logger: slog.New(slog.NewTextHandler(&out, nil))}
	if err := filefence.Reset(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "newest=9") || !strings.Contains(out.String(), "restored") {
		t.Errorf("log: %q", out.String())
	}
	if err := filefence.Append(t.Context(), path, term(3), nil); err != nil {
		t.Errorf("after the reset: %v", err)
	}
	if err := filefence.Append(t.Context(), path, term(2), nil); !errors.Is(err, fence.ErrStale) {
		t.Errorf("the rule holds no more after a reset: %v", err)
	}
	if err := filefence.Append(t.Context(), path, fence.NewTerm("worker/other", 8), nil); !errors.Is(err, fence.ErrStale) {
		t.Errorf("the other election was reset too: %v", err)
	}
	r.Reason = ""
	if err := filefence.Reset(t.Context(), r); !errors.Is(err, fence.ErrInvalid) {
		t.Errorf("reset without a reason: %v", err)
	}
}

// What a crash leaves is made by hand here; crash_test.go has real ones.
func TestRepairTakesOffWhatIsTorn(t *testing.T) {
	t.Parallel()
	sum := crc32.Checksum([]byte("two\n"), crc32.MakeTable(crc32.Castagnoli))
	pending := fmt.Appendf(nil, `{"tokens":{%q:9},"append":{"at":4,"length":4,"crc32c":%d}}`, election, sum)
	for name, c := range map[string]struct{ before, after string }{
		"not begun":               {"one\n", "one\n"},
		"a part":                  {"one\ntw", "one\n"},
		"zeros in place of it":    {"one\n\x00\x00\x00\x00", "one\n"},
		"whole":                   {"one\ntwo\n", "one\ntwo\n"},
		"whole, others behind":    {"one\ntwo\nx", "one\ntwo\nx"},
		"torn, others behind it":  {"one\ntwxxx", "one\ntwxxx"},
		"truncated by others":     {"o", "o"},
		"moved away by a rotator": {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "f")
			if err := os.WriteFile(path+".fence", pending, 0o600); err != nil {
				t.Fatal(err)
			}
			if c.before != "" {
				if err := os.WriteFile(path, []byte(c.before), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := filefence.Append(t.Context(), path, term(8), []byte("bad")); !errors.Is(err, fence.ErrStale) {
				t.Errorf("older term: %v", err)
			}
			if err := filefence.Repair(t.Context(), path); err != nil {
				t.Fatal(err)
			}
			if c.before != "" {
				if got := read(t, path); got != c.after {
					t.Errorf("%q, want %q", got, c.after)
				}
			} else if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the repair made a file: %v", err)
			}
			if strings.Contains(read(t, path+".fence"), "append") {
				t.Errorf("mark after the repair: %s", read(t, path+".fence"))
			}
			if err := filefence.Append(t.Context(), path, term(9), []byte("end")); err != nil || read(t, path) != c.after+"end" {
				t.Errorf("%v, %q", err, read(t, path))
			}
		})
	}
}
