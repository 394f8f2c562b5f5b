//go:build !unix

package tether

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
)

// Supported says whether there are helpers on this system.
const Supported = false

// A Helper is a helper process, as its owner sees it. There are none on this system.
type Helper struct{ *End }

func unsupported() error {
	return fmt.Errorf("tether: not on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

// Command fails on this system.
func Command(string) (*exec.Cmd, error) { return nil, unsupported() }

// Start fails on this system.
func Start(*exec.Cmd) (*Helper, error) { return nil, unsupported() }

// PID is the helper's process id.
func (h *Helper) PID() int { return 0 }

// Kill ends the helper at once.
func (h *Helper) Kill() {}

// Wait waits for the helper's end.
func (h *Helper) Wait() error { return unsupported() }

// Inherited returns nil: no process is a helper on this system.
func Inherited(string) (*End, error) { return nil, nil }

// Executable is the program that this process was started from.
func Executable() (string, error) { return os.Executable() }

// Take fails on this system.
func Take(int) (*os.File, error) { return nil, unsupported() }

type incoming struct{ pipe *os.File }

func (in *incoming) Read([]byte) (int, error) { return 0, io.EOF }

func (in *incoming) cut() {}

func awaitEnd(*os.File) error { return errors.ErrUnsupported }
