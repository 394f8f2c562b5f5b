package main

import (
	"context"
	"os"
)

func main() {
	ctx, stop := signals(context.Background())
	err := execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(exitCode(err))
}
