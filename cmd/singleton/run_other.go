//go:build !linux

package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

func (o *runOptions) run(*cobra.Command, []string) error {
	return runFailure(exitRunFailed, fmt.Errorf("run: not on %s: it needs what Linux knows about descendants", runtime.GOOS))
}
