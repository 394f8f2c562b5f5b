//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package filefence

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// lock takes the kernel's lock on a file, which it frees by itself when the process dies. It excludes other processes and,
// since every call opens the file anew, other goroutines.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	if err := wait(ctx, f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil // closing frees the lock, and there is nothing else to lose
}

// wait asks again and again: the kernel's own way of waiting can't be called off when ctx ends.
func wait(ctx context.Context, f *os.File) error {
	const shortest, longest = time.Millisecond, 32 * time.Millisecond
	for pause := shortest; ctx.Err() == nil; pause = min(2*pause, longest) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR):
			return &os.PathError{Op: "lock", Path: f.Name(), Err: err}
		}
		again := time.NewTimer(pause)
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
		}
	}
	return fmt.Errorf("wait for the lock of %s: %w", f.Name(), context.Cause(ctx))
}
