package main

import (
	"errors"

	"github.com/spf13/cobra"
)

func newDemo() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Show three processes, one leader, and what happens when it dies",
		Args:  usage(cobra.NoArgs),
		RunE:  func(*cobra.Command, []string) error { return errors.New("demo: not there yet") },
	}
}
