package guard_test

import (
	"context"
	"log"
	"log/slog"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/ramengine"
	"github.com/singleton-go/singleton/guard"
)

// The main function of a program whose crash costs milliseconds.
func Example_crash() {
	guard.Main(open) // in the guard process it never returns
	ctx, stop := singleton.Signals(context.Background())
	defer stop()

	eng, err := open(ctx)
	if err != nil {
		log.Fatal(err)
	}
	rt, err := singleton.New(eng, singleton.Config{Prefix: "/my-app", Guard: true, Logger: slog.Default()})
	if err != nil {
		log.Fatal(err)
	}
	if err := rt.Run(ctx, singleton.Worker("data-sync", singleton.RunnerFunc(work))); err != nil {
		log.Fatal(err)
	}
}

// open opens the engine, in the program and in its guard. A store in memory is for tests: a guard can't reach it.
func open(context.Context) (engine.Engine, error) {
	return ramengine.New(), nil
}

func work(ctx context.Context) error {
	<-ctx.Done()
	return nil
}
