package fileengine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/singleton-go/singleton/engine"
)

const (
	format        = "v1."  // of the store, before the boot id
	found         = "new." // a store that is being made
	ceilingPrefix = "ceiling."

	// reserve is how many numbers one fsync makes safe to use.
	reserve = 1 << 20
)

// foreign are the file systems whose files and locks several machines, or a program that can do as it likes, may change.
var foreign = map[uint32]string{
	0x6969: "NFS", 0x517B: "SMB", 0xFF534D42: "CIFS", 0xFE534D42: "SMB2", 0x564C: "NCP", 0x01021997: "9P", 0x65735546: "FUSE",
	0x00C36400: "Ceph", 0x0BD00BD0: "Lustre", 0x01161970: "GFS2", 0x7461636F: "OCFS2", 0x5346414F: "AFS", 0x6B414653: "AFS",
	0x73757245: "Coda", 0x47504653: "GPFS", 0x19830326: "BeeGFS", 0x20030528: "OrangeFS", 0xAAD7AAEA: "PanFS",
	0xBEEFDEAD: "StorNext", 0x61636673: "ACFS", 0x786F4256: "VirtualBox shared folders", 0xBACBACBC: "VMware shared folders",
	0x7C7C6673: "Parallels shared folders", 0x00C0FFEE: "hostfs",
}

// network names the file system of a type if it is one of those. The type has 32 bits, whatever its sign becomes in Go.
func network(kind int64) string { return foreign[uint32(kind)] } //nolint:gosec // as said

// A directory is the place of a store, and the store in it since the machine was started.
type directory struct {
	base folder // what the user named
	name string // of the store in base
	root folder // the store
}

// openDirectory opens the store in a directory, and makes what is missing.
func openDirectory(path string) (*directory, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	base, err := openBase(path)
	if err != nil {
		return nil, err
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return nil, fmt.Errorf("find out when the machine was started: %w", err)
	}
	d := &directory{base: base, name: format + strings.TrimSpace(string(boot))}
	for {
		d.root, err = base.sub(d.name)
		if !errors.Is(err, fs.ErrNotExist) {
			return d, err
		}
		if err := d.found(); err != nil {
			return nil, err
		}
	}
}

func openBase(path string) (folder, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return folder{}, err
	}
	base, err := openFolder(path)
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR) {
		return base, fmt.Errorf("%w (a symbolic link is not followed: name the directory itself)", err)
	}
	if err != nil {
		return base, err
	}
	if err := base.check(); err != nil {
		return base, fmt.Errorf("%s: %w", path, err)
	}
	_ = unix.Flock(base.fd(), unix.LOCK_SH|unix.LOCK_NB) // keeps sweepers out; nobody depends on it
	return base, nil
}

// check refuses a directory on which the promises would not hold.
func (f folder) check() error {
	defer runtime.KeepAlive(f.file)
	var stat unix.Stat_t
	var system unix.Statfs_t
	if err := errors.Join(unix.Fstat(f.fd(), &stat), unix.Fstatfs(f.fd(), &system)); err != nil {
		return err
	}
	if uid := os.Geteuid(); int(stat.Uid) != uid {
		return fmt.Errorf("belongs to user %d, and this process runs as user %d: each needs a directory of its own", stat.Uid, uid)
	}
	if mode := stat.Mode & 0o777; mode&0o077 != 0 {
		return fmt.Errorf("has mode %04o, and others may have no access: chmod 0700", mode)
	}
	if name := network(int64(system.Type)); name != "" { //nolint:unconvert // 32 bits wide on some machines
		return fmt.Errorf("is on a network file system (%s), whose locks and notifications do not reach all who use it: "+
			"choose a directory on a local disk, or an engine for several machines", name)
	}
	return nil
}

// found makes the store since this start of the machine, beside all others who do so, and removes those of earlier ones.
func (d *directory) found() error {
	start := uint64(max(time.Now().UnixMicro(), 0)) //nolint:gosec // it is not negative
	highest, err := d.ceiling()
	if err != nil {
		return err
	}
	start = max(start, highest) + 1
	if err := d.raise(start + reserve); err != nil {
		return err
	}
	draft := found + newName()
	err = d.build(draft, start)
	if err == nil {
		err = d.base.rename(draft, d.name)
	}
	if err != nil {
		d.base.removeAll(draft)
		if there, _ := d.base.exists(d.name); there { // another was first, and has removed the draft
			return nil
		}
		return err
	}
	d.sweep()
	if parent, err := openFolder(filepath.Dir(d.base.path)); err == nil {
		_ = parent.sync() // the directory may be new; without it the wall clock alone keeps the numbers rising
	}
	return nil
}

// build writes an empty store.
func (d *directory) build(name string, start uint64) error {
	empty, err := (&state{}).encode()
	if err == nil {
		err = d.base.mkdir(name)
	}
	for _, sub := range []string{"log", "state", "session", "draft"} {
		if err == nil {
			err = d.base.mkdir(name + "/" + sub)
		}
	}
	if err != nil {
		return err
	}
	return d.base.write(name+"/state/"+strconv.FormatUint(start, 10), empty)
}

// sweep removes what was left by earlier starts of the machine, and by those who died while they made a store.
func (d *directory) sweep() {
	names, _ := d.base.names() // another time will do
	for _, name := range names {
		if name != d.name && (strings.HasPrefix(name, format) || strings.HasPrefix(name, found)) {
			d.base.removeAll(name)
		}
	}
}

// ceiling returns the highest number that may have been given out.
func (d *directory) ceiling() (uint64, error) {
	all, err := d.ceilings()
	return slices.Max(append(all, 0)), err
}

func (d *directory) ceilings() ([]uint64, error) {
	names, err := d.base.names()
	var all []uint64
	for _, name := range names {
		digits, ok := strings.CutPrefix(name, ceilingPrefix)
		if n, err := strconv.ParseUint(digits, 10, 64); ok && err == nil {
			all = append(all, n)
		}
	}
	return all, err
}

// raise makes it durable that numbers up to n may be given out, and forgets lower ceilings.
func (d *directory) raise(n uint64) error {
	err := d.base.write(ceilingPrefix+strconv.FormatUint(n, 10), nil)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := d.base.sync(); err != nil {
		return err
	}
	all, err := d.ceilings()
	for _, lower := range all {
		if lower < n {
			d.base.remove(ceilingPrefix + strconv.FormatUint(lower, 10))
		}
	}
	return err
}

// verify returns [engine.ErrRewound] unless the directory and the store are still where they were opened.
func (d *directory) verify() error {
	var base, root unix.Stat_t
	err := unix.Lstat(d.base.path, &base)
	if err == nil {
		err = unix.Fstatat(d.base.fd(), d.name, &root, unix.AT_SYMLINK_NOFOLLOW)
		runtime.KeepAlive(d.base.file)
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return fmt.Errorf("directory %s was removed: %w", d.base.path, engine.ErrRewound)
	}
	if err != nil {
		return fmt.Errorf("stat %s: %w", d.base.path, err)
	}
	sameBase, err := d.base.is(base)
	sameRoot, err2 := d.root.is(root)
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	if !sameBase || !sameRoot {
		return fmt.Errorf("directory %s was replaced: %w", d.base.path, engine.ErrRewound)
	}
	return nil
}
