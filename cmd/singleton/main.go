package main

import (
	"context"
	"os"

	"github.com/singleton-go/singleton/cmd/singleton/internal/shim"
)

func main() {
	shim.Main() // in a shim it never returns
	ctx, stop := signals(context.Background())
	err := execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(exitCode(err))
}
