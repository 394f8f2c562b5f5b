//go:build unix && !linux

package tether

import (
	"errors"
	"os"
	"syscall"
)

// Executable is the program that this process was started from.
func Executable() (string, error) { return os.Executable() }

func self() *os.File { return nil }

func awaitEnd(*os.File) error { return errors.ErrUnsupported }

func rename(string) {}

func detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
