package enginetest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/singleton-go/singleton/engine"
)

var recordCases = []testCase{
	{name: "Create on a key that is taken returns the record that is there", duties: []int{8}, run: createNeverOverwrites},
	{name: "Replace by another session keeps the session and Created", duties: []int{9}, run: replaceKeepsIdentity},
	{name: "Delete reaches the records of others, and works after the own session has ended", duties: []int{9}, run: deleteReachesAll},
	{name: "values are kept byte for byte", duties: []int{11}, run: valuesAreKept},
	{name: "a value is kept as it was when the call was made", duties: []int{11}, run: valuesAreCopied},
	{name: "keys are kept byte for byte", duties: []int{11}, run: keysAreKept},
	{name: "a key that is a prefix of another has nothing to do with it", duties: []int{11}, run: prefixesDoNotMix},
}

// numbered makes keys that sort in the order of their numbers.
func numbered(prefix string, i int) string { return fmt.Sprintf("%s%04d", prefix, i) }

func createNeverOverwrites(tr *trial) {
	c := tr.connect()
	owner, other := tr.openLong(c), tr.openLong(tr.connect())
	r := tr.create(owner, "taken/a", "first")
	for who, s := range map[string]engine.Session{"its owner": owner, "another session": other} {
		got, err := s.Create(tr.ctx(), r.Key, []byte("second"))
		if !errors.Is(err, engine.ErrExists) || !same(got, r) {
			tr.broken(8, "Create on the key of %s by %s returned %s with the error %v", show(r), who, show(got), err)
		}
	}
	if err := other.Close(tr.ctx()); err != nil {
		tr.Fatalf("close: %v", err)
	}
	tr.watch(c.Engine, engine.WatchOptions{Prefix: "taken/"}).shows(8, r)
}

func replaceKeepsIdentity(tr *trial) {
	c := tr.connect()
	owner, other := tr.openLong(c), tr.openLong(tr.connect())
	r := tr.create(owner, "replace/a", "first")
	later := tr.create(other, "replace/b", "")
	v := tr.watch(c.Engine, engine.WatchOptions{Prefix: "replace/"})
	for value, s := range map[string]engine.Session{"by its owner": owner, "by another session": other} {
		want := r
		want.Value = []byte(value)
		got, err := s.Replace(tr.ctx(), r, want.Value) // r is still its name, whatever the value
		if err != nil || !same(got, want) {
			tr.broken(9, "Replace of %s returned %s with the error %v", show(r), show(got), err)
		}
		v.shows(9, want, later)
	}
	if err := other.Close(tr.ctx()); err != nil {
		tr.Fatalf("close: %v", err)
	}
	v.until(4, "that the replaced record stays with its own session", func() bool {
		_, stays := v.now[r.Key]
		return len(v.now) == 1 && stays
	})
	if err := owner.Close(tr.ctx()); err != nil {
		tr.Fatalf("close: %v", err)
	}
	v.shows(4)
}

func deleteReachesAll(tr *trial) {
	c := tr.connect()
	owner, ended := tr.openLong(c), tr.openLong(tr.connect())
	a, b := tr.create(owner, "delete/a", "1"), tr.create(owner, "delete/b", "1")
	v := tr.watch(c.Engine, engine.WatchOptions{Prefix: "delete/"})
	if _, err := owner.Replace(tr.ctx(), a, []byte("2")); err != nil {
		tr.Fatalf("replace: %v", err)
	}
	tr.remove(ended, a) // named as it was before it was replaced
	v.shows(9, b)
	if err := ended.Close(tr.ctx()); err != nil {
		tr.Fatalf("close: %v", err)
	}
	for i := range 2 {
		if err := ended.Delete(tr.ctx(), b); err != nil {
			tr.broken(9, "Delete number %d of %s by a session that has ended returns: %v", i+1, show(b), err)
		}
	}
	v.shows(9)
}

func valuesAreKept(tr *trial) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	values := map[string]string{
		"none": "", "zero": "\x00", "bytes": string(all), "text": "naïve ⚑\n",
		"100KiB": strings.Repeat(string(all), 400), "1MiB": strings.Repeat(string(all), 1<<12),
	}
	c := tr.connect()
	s := tr.openLong(c)
	live := tr.watch(c.Engine, engine.WatchOptions{Prefix: "values/"})
	var want []engine.Record
	for name, value := range values {
		want = append(want, tr.create(s, "values/"+name, value))
	}
	live.shows(11, want...)
	for name, value := range values {
		r, err := s.Replace(tr.ctx(), tr.create(s, "values/replaced-"+name, "before"), []byte(value))
		if err != nil || string(r.Value) != value {
			tr.broken(11, "Replace with a value of %d bytes returned one of %d with the error %v", len(value), len(r.Value), err)
		}
		want = append(want, r)
	}
	live.shows(11, want...)
	tr.watch(tr.connect().Engine, engine.WatchOptions{Prefix: "values/"}).shows(11, want...)
}

func valuesAreCopied(tr *trial) {
	c := tr.connect()
	s := tr.openLong(c)
	value := []byte("kept")
	r, err := s.Create(tr.ctx(), "copy/a", value)
	if err != nil {
		tr.Fatalf("create: %v", err)
	}
	copy(value, "lost")
	want := r
	want.Value = []byte("kept")
	tr.watch(c.Engine, engine.WatchOptions{Prefix: "copy/"}).shows(11, want)
	copy(value, "next")
	if r, err = s.Replace(tr.ctx(), r, value); err != nil {
		tr.Fatalf("replace: %v", err)
	}
	copy(value, "lost")
	if !bytes.Equal(r.Value, []byte("next")) {
		tr.broken(11, "the record that Replace returned changes with the caller's buffer: %s", show(r))
	}
	want.Value = []byte("next")
	tr.watch(c.Engine, engine.WatchOptions{Prefix: "copy/"}).shows(11, want)
}

func keysAreKept(tr *trial) {
	c := tr.connect()
	s := tr.openLong(c)
	var want []engine.Record
	for i, key := range []string{
		"a", "A", "key with spaces", " leading", "trailing ", "trailing/", "/leading", "//", ".", "..", "a/../b", "a/./b",
		"con", "nul.txt", "a:b", "a\\b", "*?[]{}", "%2f", "%", "$HOME", "'quoted'", "\"double\"", "`back`", "a;b--", "_", "~",
		"tab\t", "line\nbreak", "\r", "\x01\x7f", "é", "e\u0301", "ß", "ẞ", "日本", "⚑", "\U0010ffff", "\ufeff",
		strings.Repeat("k", 255), strings.Repeat("k", 256), strings.Repeat("long/", 204) + "1024", strings.Repeat("⚑", 341) + "x",
	} {
		want = append(want, tr.create(s, key, fmt.Sprint(i)))
	}
	v := tr.watch(c.Engine, engine.WatchOptions{})
	v.shows(11, want...)
	for i, r := range want {
		if _, err := s.Create(tr.ctx(), r.Key, nil); !errors.Is(err, engine.ErrExists) {
			tr.broken(11, "the key %q is not found again: %v", r.Key, err)
		}
		tr.remove(s, r)
		v.shows(11, want[i+1:]...)
	}
}

func prefixesDoNotMix(tr *trial) {
	c := tr.connect()
	s, other := tr.openLong(c), tr.openLong(c)
	a, ab, slash := tr.create(s, "p/a", ""), tr.create(other, "p/ab", ""), tr.create(other, "p/a/", "")
	inner := tr.create(other, "p/a/b", "")
	for prefix, want := range map[string][]engine.Record{
		"": {a, ab, slash, inner}, "p/": {a, ab, slash, inner}, "p/a": {a, ab, slash, inner},
		"p/a/": {slash, inner}, "p/ab": {ab}, "p/a/b": {inner}, "p/abc": nil, "/p": nil,
	} {
		tr.watch(c.Engine, engine.WatchOptions{Prefix: prefix}).shows(11, want...)
	}
	v := tr.watch(c.Engine, engine.WatchOptions{Prefix: "p/"})
	tr.remove(s, a)
	v.shows(11, ab, slash, inner)
	a = tr.create(s, "p/a", "")
	v.shows(11, a, ab, slash, inner)
	if err := s.Close(tr.ctx()); err != nil {
		tr.Fatalf("close: %v", err)
	}
	v.shows(11, ab, slash, inner)
}
