package guard_test

import (
	"context"
	"fmt"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/ramengine"
	"github.com/singleton-go/singleton/guard"
)

// The main function of a program whose crash costs milliseconds.
func Example_crash() {
	guard.Main(open) // comes first: in the guard process it never returns
	ctx, stop := context.WithCancel(context.Background())
	defer stop()

	eng, err := open(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	rt, err := singleton.New(eng, singleton.Config{Prefix: "/my-app", Guard: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = rt.Run(ctx, singleton.Worker("data-sync", singleton.RunnerFunc(func(ctx context.Context) error {
		fmt.Println("if this process dies now, another takes over at once")
		stop() // the example has shown enough
		<-ctx.Done()
		return nil
	})))
	if err != nil {
		fmt.Println(err)
	}
	// Output: if this process dies now, another takes over at once
}

// open opens the engine, in the program and in its guard. This one is for tests: no other process reaches a store in memory.
func open(context.Context) (engine.Engine, error) {
	return ramengine.New(), nil
}
