//go:build unix && !linux

package tether

import (
	"errors"
	"os"
	"syscall"
)

func executable() (string, error) { return os.Executable() }

func self() *os.File { return nil }

func awaitEnd(*os.File) error { return errors.ErrUnsupported }

func rename(string) {}

func detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
