//go:build !linux

package fileengine

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/singleton-go/singleton/engine"
)

// An Engine is one process's way to a store in a directory. There is none on this system.
type Engine struct {
	engine.Engine
	engine.Ender
}

// A Sharer is a session whose life a child process can share.
type Sharer interface {
	// Share returns a file that keeps the session alive in whatever process has it open.
	Share() (*os.File, error)
}

// New returns [errors.ErrUnsupported]: the engine needs Linux.
func New(dir string) (*Engine, error) {
	return nil, fmt.Errorf("fileengine: directory %s: %s is not Linux: %w", dir, runtime.GOOS, errors.ErrUnsupported)
}
