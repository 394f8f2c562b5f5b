package fileengine

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// A folder is an open directory. What is done in it is done in the directory that was opened, wherever that is by now and
// whatever stands at its path.
type folder struct {
	path string
	file *os.File // closed by the garbage collector: an engine has no end
}

// openFolder opens a directory and follows no symbolic link to it.
func openFolder(path string) (folder, error) {
	fd, err := retry(func() (int, error) {
		return unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return folder{}, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return folder{path, os.NewFile(uintptr(fd), path)}, nil
}

func (f folder) sub(name string) (folder, error) {
	fd, err := f.openFD(name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return folder{}, err
	}
	path := f.path + "/" + name
	return folder{path, os.NewFile(uintptr(fd), path)}, nil
}

// openFD opens what stands under the name. The caller closes it.
func (f folder) openFD(name string, flags int, perm uint32) (int, error) {
	defer runtime.KeepAlive(f.file)
	fd, err := retry(func() (int, error) {
		return unix.Openat(f.fd(), name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, perm)
	})
	return fd, f.wrap("open", name, err)
}

func (f folder) mkdir(name string) error {
	defer runtime.KeepAlive(f.file)
	return f.wrap("mkdir", name, unix.Mkdirat(f.fd(), name, 0o700))
}

func (f folder) mkfifo(name string) error {
	defer runtime.KeepAlive(f.file)
	return f.wrap("mkfifo", name, unix.Mkfifoat(f.fd(), name, 0o600))
}

// write makes a new file. What fails halfway is removed.
func (f folder) write(name string, data []byte) error {
	fd, err := f.openFD(name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	for err == nil && len(data) > 0 {
		var n int
		n, err = retry(func() (int, error) { return unix.Write(fd, data) })
		data = data[max(n, 0):]
	}
	if err = errors.Join(err, unix.Close(fd)); err != nil {
		f.remove(name)
	}
	return f.wrap("write", name, err)
}

func (f folder) read(name string) ([]byte, error) {
	fd, err := f.openFD(name, unix.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return nil, f.wrap("stat", name, err)
	}
	data := make([]byte, stat.Size)
	for done := 0; done < len(data); {
		n, err := retry(func() (int, error) { return unix.Read(fd, data[done:]) })
		if err == nil && n == 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, f.wrap("read", name, err)
		}
		done += n
	}
	return data, nil
}

// link gives a file a further name, unless that is taken.
func (f folder) link(from, to string) error {
	defer runtime.KeepAlive(f.file)
	return f.wrap("link "+from, to, unix.Linkat(f.fd(), from, f.fd(), to, 0))
}

// rename gives a directory another name, unless a directory that is not empty has that.
func (f folder) rename(from, to string) error {
	defer runtime.KeepAlive(f.file)
	return f.wrap("rename "+from, to, unix.Renameat(f.fd(), from, f.fd(), to))
}

// remove removes a file. It tells no error: what can't be removed now is removed by whoever tidies up next.
func (f folder) remove(name string) {
	defer runtime.KeepAlive(f.file)
	_ = unix.Unlinkat(f.fd(), name, 0)
}

// removeAll removes a directory and what is in it, two floors deep at most: the engine makes no deeper ones.
func (f folder) removeAll(name string) {
	defer runtime.KeepAlive(f.file)
	if unix.Unlinkat(f.fd(), name, 0) == nil {
		return
	}
	if sub, err := f.sub(name); err == nil {
		names, _ := sub.names() // what can't be listed can't be removed
		for _, n := range names {
			sub.removeAll(n)
		}
	}
	_ = unix.Unlinkat(f.fd(), name, unix.AT_REMOVEDIR)
}

func (f folder) exists(name string) (bool, error) {
	defer runtime.KeepAlive(f.file)
	var stat unix.Stat_t
	err := unix.Fstatat(f.fd(), name, &stat, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, f.wrap("stat", name, err)
}

// names lists what is in the folder now. It has one position for all callers, so only one may call at a time.
func (f folder) names() ([]string, error) {
	if _, err := f.file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return f.file.Readdirnames(-1)
}

// numbers lists the names that are numbers.
func (f folder) numbers() ([]uint64, error) {
	names, err := f.names()
	var all []uint64
	for _, name := range names {
		if n, err := strconv.ParseUint(name, 10, 64); err == nil {
			all = append(all, n)
		}
	}
	return all, err
}

// sync makes the names in the folder durable.
func (f folder) sync() error {
	err := f.file.Sync()
	if errors.Is(err, unix.EINVAL) { // a file system that has nothing to write them to
		return nil
	}
	return err
}

// is reports whether two stats are of the same folder.
func (f folder) is(other unix.Stat_t) (bool, error) {
	defer runtime.KeepAlive(f.file)
	var own unix.Stat_t
	if err := unix.Fstat(f.fd(), &own); err != nil {
		return false, fmt.Errorf("stat %s: %w", f.path, err)
	}
	return own.Dev == other.Dev && own.Ino == other.Ino, nil
}

func (f folder) fd() int { return int(f.file.Fd()) }

func (f folder) wrap(what, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: what, Path: f.path + "/" + name, Err: err}
}

// retry makes a system call until no signal interrupts it.
func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}
