package filefence

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/singleton-go/singleton/fence"
)

// A file is the fenced file and its mark, under the lock.
type file struct {
	path string
	mark mark
}

// resolve returns the one path by which a file is known.
func resolve(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if strings.Contains(filepath.Base(path), markSuffix) {
		return "", fmt.Errorf("%s: names with %s are for what lies beside a fenced file", path, markSuffix)
	}
	target, err := filepath.EvalSymlinks(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return target, err
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return "", fmt.Errorf("%s: links to nothing, so it has no place for its mark", path)
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	return filepath.Join(dir, filepath.Base(path)), err
}

func open(path string) (*file, error) {
	info, err := os.Stat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	m, err := readMark(path + markSuffix)
	return &file{path, m}, err
}

// admit applies the rule. The token is on the disk once append or replace have recorded the mark, before they write.
func (f *file) admit(term fence.Term) error {
	if err := fence.Check(f.path, term, f.mark.Tokens[term.Election()]); err != nil {
		return err
	}
	f.mark.Tokens[term.Election()] = term.Token()
	return nil
}

func (f *file) append(data []byte) error {
	out, err := os.OpenFile(f.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }() // after a Sync it has nothing more to report
	end, err := out.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	f.mark.Append = &pending{At: end, Length: int64(len(data)), Sum: checksum(data)}
	if err := f.record(); err != nil { // makes a new file's name durable too
		return err
	}
	_, err = out.Write(data)
	if err == nil {
		err = out.Sync()
	}
	if err != nil {
		return errors.Join(err, f.cut(end))
	}
	f.mark.Append = nil
	_ = f.mark.write(f.path + markSuffix) // a pending append that is whole does no harm: repair finds it so
	return nil
}

func (f *file) replace(data []byte) error {
	if err := f.record(); err != nil {
		return err
	}
	mode := fs.FileMode(0)
	if info, err := os.Stat(f.path); err == nil {
		mode = info.Mode().Perm()
	}
	if err := writeFile(f.path, data, mode); err != nil {
		return err
	}
	return syncDir(filepath.Dir(f.path))
}

// repair takes off what a crash has left of an append.
func (f *file) repair(ctx context.Context) error {
	p := f.mark.Append
	if p == nil {
		return nil
	}
	size, whole, err := p.look(f.path)
	switch {
	case err != nil:
		return err
	case size <= p.At || whole: // nothing was written, or all of it
		f.mark.Append = nil
		return f.record()
	case size > p.At+p.Length: // not by us: what others wrote behind it is not ours to remove
		slog.Default().WarnContext(ctx, "fenced file was written to by others: an interrupted append stays in it",
			"file", f.path, "offset", p.At, "length", p.Length)
		f.mark.Append = nil
		return f.record()
	}
	slog.Default().WarnContext(ctx, "fenced file repaired: an interrupted append was taken off",
		"file", f.path, "offset", p.At, "removed", size-p.At)
	return f.cut(p.At)
}

// cut takes off all behind end, durably, and then the note that an append is under way.
func (f *file) cut(end int64) error {
	out, err := os.OpenFile(f.path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }() // after a Sync it has nothing more to report
	if err := errors.Join(out.Truncate(end), out.Sync()); err != nil {
		return err
	}
	f.mark.Append = nil
	return f.record()
}

// record brings the mark to the disk, and every name in the folder with it.
func (f *file) record() error {
	if err := f.mark.write(f.path + markSuffix); err != nil {
		return err
	}
	return syncDir(filepath.Dir(f.path))
}

// look finds out how long the file is, and whether the whole append is in it.
func (p *pending) look(path string) (size int64, whole bool, err error) {
	in, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	defer func() { _ = in.Close() }()
	if size, err = in.Seek(0, io.SeekEnd); err != nil || size < p.At+p.Length {
		return size, false, err
	}
	sum := crc32.New(castagnoli)
	_, err = io.Copy(sum, io.NewSectionReader(in, p.At, p.Length))
	return size, sum.Sum32() == p.Sum, err
}

// syncDir makes renames and new names in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
