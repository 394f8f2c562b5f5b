package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// An interruption is the cause of a context that a signal has ended. It has the signal's number, for the exit code.
type interruption struct{ signal syscall.Signal }

func (i *interruption) Error() string { return "ended by signal: " + i.signal.String() }

// signals returns a context that ends with the first SIGINT or SIGTERM; the second one ends the process at once.
func signals(ctx context.Context) (_ context.Context, stop func()) {
	ctx, end := context.WithCancelCause(ctx)
	arrived := make(chan os.Signal, 2)
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM} {
		if !signal.Ignored(s) { // as SIGINT is for what a shell runs in the background
			signal.Notify(arrived, s)
		}
	}
	quit := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		for ctx.Err() == nil {
			select {
			case s := <-arrived:
				end(&interruption{s.(syscall.Signal)})
			case <-quit:
				return
			}
		}
		select {
		case s := <-arrived:
			os.Exit(exitCode(&interruption{s.(syscall.Signal)}))
		case <-quit:
		}
	})
	return ctx, sync.OnceFunc(func() {
		signal.Stop(arrived)
		close(quit)
		watch.Wait()
		end(nil)
	})
}
