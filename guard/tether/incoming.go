//go:build unix

package tether

import (
	"errors"
	"io"
	"os"
	"syscall"
	"time"
)

// incoming reads a pipe up to the end of the process at its other end, which is not always the end of the pipe.
type incoming struct{ pipe *os.File }

func (in *incoming) Read(p []byte) (int, error) {
	n, err := in.pipe.Read(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return in.rest(p)
	}
	return n, err
}

// cut makes all reads, also one that waits, go on with what is in the pipe by now.
func (in *incoming) cut() {
	_ = in.pipe.SetReadDeadline(time.Unix(1, 0)) // it fails on a closed pipe, which needs no cut
}

// rest reads without waiting: a dead process has written all that it will ever write.
func (in *incoming) rest(p []byte) (n int, err error) {
	raw, err := in.pipe.SyscallConn()
	if err != nil {
		return 0, err
	}
	failed := raw.Control(func(fd uintptr) { n, err = syscall.Read(int(fd), p) })
	if failed != nil || err != nil || n <= 0 {
		return 0, io.EOF
	}
	return n, nil
}
