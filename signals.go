package singleton

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// Signals returns a context that ends with the first SIGINT or SIGTERM that the process gets; its cause names the signal. The
// second one ends the process at once, with exit code 128 and the signal's number: leadership is then vacant until the
// session expires. Call stop when the context is no longer needed; signals then do what they did before.
func Signals(ctx context.Context) (_ context.Context, stop func()) {
	ctx, end := context.WithCancelCause(ctx)
	arrived := make(chan os.Signal, 2)
	signal.Notify(arrived, syscall.SIGINT, syscall.SIGTERM)
	quit := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		for first := true; ; first = false {
			select {
			case s := <-arrived:
				if !first {
					os.Exit(exitCode(s)) //nolint:forbidigo // the user has told the program twice to end
				}
				end(fmt.Errorf("signal: %v", s))
			case <-quit:
				return
			}
		}
	})
	return ctx, sync.OnceFunc(func() {
		signal.Stop(arrived)
		close(quit)
		watch.Wait()
		end(nil)
	})
}

func exitCode(s os.Signal) int {
	if n, ok := s.(syscall.Signal); ok {
		return 128 + int(n)
	}
	return 1
}
