// Package filefence fences files: an older term can neither append to them nor replace them once a newer term has.
//
// It is for the processes of one machine that take turns with a file: a log of what was done, an export, a state that is
// written anew. The file itself stays as it is, byte for byte, so that every reader can read it. Beside FILE lie two more:
//
//   - FILE.fence: the highest token seen of each election, and the append that is under way, if one is.
//   - FILE.fence.lock: an empty file whose kernel lock is held while checking and writing. It is never removed.
//
// A token is recorded, on disk, before the first byte of its effect is written, and both happen under the lock. So whatever a
// crash leaves behind, no older term is accepted after it. All writers must use this package; they run as one user, or as
// users who may write all three files and create files in their folder.
//
// # After a crash
//
// [Replace] happens wholly or not at all. An [Append] that a crash cut off may leave a part of its data at the end of the file.
// The next [Append] or [Replace] takes that part off before it does its own work, and logs a warning; until then, readers see it. A reader
// that can't have that calls [Repair] first. Once a call has returned nil, its data are on the disk.
//
// # Limits
//
//   - One machine, and a file system of its own: locks and renames over NFS are not what they are here. Linux, macOS and the BSDs; elsewhere
//     every call returns [errors.ErrUnsupported].
//   - A file is known by its path, symbolic links resolved. Two hard links are two files, and so is a file that is mounted
//     somewhere by itself: mount its folder.
//   - A process that is stopped (SIGSTOP) inside a call holds the lock until it goes on or dies, and newer terms wait for as long as their
//     contexts let them.
//   - Who writes to the file without this package, or removes what lies beside it, is not fenced. To rotate a file that is
//     appended to, rename it and leave the rest: the tokens stay.
package filefence

import (
	"context"
	"fmt"

	"github.com/singleton-go/singleton/fence"
)

// Append adds data to the end of the file if the term is at least as new as every term of its election that wrote to it before.
// A file that does not exist is created, with mode 0666 before umask.
//
// The error is a [*fence.StaleError], with the file's path as the resource, if a newer term has written; [fence.ErrNoTerm] or
// [fence.ErrInvalid] for what is no term; ctx's cause if it ends while waiting for the lock; else the file system's. After an error other
// than the last kind nothing was written. After that kind the data are there wholly or will be taken off: they never stay in part.
func Append(ctx context.Context, path string, term fence.Term, data []byte) error {
	return locked(ctx, path, term, func(f *file) error {
		if err := f.admit(term); err != nil {
			return err
		}
		return f.append(data)
	})
}

// Replace gives the file new content in one step, under the same rule and with the same errors as [Append]: a reader finds the old
// content or the new one. The file keeps its permissions, but becomes the property of the user who replaces it.
func Replace(ctx context.Context, path string, term fence.Term, data []byte) error {
	return locked(ctx, path, term, func(f *file) error {
		if err := f.admit(term); err != nil {
			return err
		}
		return f.replace(data)
	})
}

// Repair takes off what a crash has left of an append, as the next Append would. It is for readers who can't wait for that.
func Repair(ctx context.Context, path string) error {
	return underLock(ctx, path, func(*file) error { return nil })
}

// Reset forgets the highest token of one election for the file whose path is r.Resource, and logs it; see [fence.Reset].
func Reset(ctx context.Context, r fence.Reset) error {
	if err := r.Validate(); err != nil {
		return err
	}
	return underLock(ctx, r.Resource, func(f *file) error {
		newest := f.mark.Tokens[r.Election]
		delete(f.mark.Tokens, r.Election)
		if err := f.record(); err != nil {
			return err
		}
		r.Log(ctx, newest)
		return nil
	})
}

// locked is underLock for calls that come with a term: one that nobody could accept leaves no trace on the disk.
func locked(ctx context.Context, path string, term fence.Term, work func(*file) error) error {
	if err := fence.Check(path, term, 0); err != nil {
		return err
	}
	return underLock(ctx, path, work)
}

// underLock runs work on the file while no other process or goroutine touches it, with what a crash left repaired.
func underLock(ctx context.Context, path string, work func(*file) error) error {
	path, err := resolve(path)
	if err != nil {
		return fmt.Errorf("fence file: %w", err)
	}
	unlock, err := lock(ctx, path+lockSuffix)
	if err != nil {
		return fmt.Errorf("fence file: %w", err)
	}
	defer unlock()
	f, err := open(path)
	if err != nil {
		return fmt.Errorf("fence file: %w", err)
	}
	if err := f.repair(ctx); err != nil {
		return fmt.Errorf("repair file: %w", err)
	}
	return work(f)
}
