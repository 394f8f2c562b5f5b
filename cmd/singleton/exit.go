package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
	exitSignal = 128 // and the signal's number
)

// exitCode is what the process ends with after a command has returned this.
func exitCode(err error) int {
	if err == nil {
		return exitDone
	}
	if own, ok := errors.AsType[*exitError](err); ok {
		return own.code
	}
	if _, ok := errors.AsType[*usageError](err); ok {
		return exitUsage
	}
	if by, ok := errors.AsType[*interruption](err); ok {
		return exitSignal + int(by.signal)
	}
	return exitFailed
}

// An exitError ends the program with a code of the command's own. It may have nothing to say.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// A usageError says what is wrong with the command line, and where the right one is described.
type usageError struct {
	command string
	err     error
}

func (e *usageError) Error() string { return fmt.Sprintf("%v; see '%s --help'", e.err, e.command) }
func (e *usageError) Unwrap() error { return e.err }

func wrongUsage(cmd *cobra.Command, err error) error {
	return &usageError{command: cmd.CommandPath(), err: err}
}

// usage makes what a check of the arguments refuses a wrong usage.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return wrongUsage(cmd, err)
		}
		return nil
	}
}
