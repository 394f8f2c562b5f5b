//go:build !unix

package demo

import (
	"errors"
	"io"
	"time"
)

var errSignals = errors.New(`--engine "etcd": needs the signals of a Unix system, which this is not; try --engine ram`)

func openProcesses(time.Duration, string) (stage, error) { return nil, errSignals }

// Janitor is needed where there are processes to clear up.
func Janitor(io.Reader, io.WriteCloser) error { return errSignals }
