package singleton_test

import (
	"context"
	"fmt"
	"log"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/engine/ramengine"
)

// A ledger opens its books only where it has won, and closes them before another process can win.
type ledger struct{ stop func() }

func (l *ledger) Startup(ctx context.Context) error {
	term, _ := singleton.TermFrom(ctx)
	fmt.Println("open the books of", term.Election())
	return nil
}

func (l *ledger) Run(ctx context.Context) error {
	fmt.Println("keep them")
	l.stop() // an example must end
	<-ctx.Done()
	return context.Cause(ctx)
}

func (l *ledger) Shutdown(_ context.Context, reason error) error {
	fmt.Println("close them:", reason)
	return nil
}

func Example_hooks() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	rt, err := singleton.New(ramengine.New(), singleton.Config{Prefix: "/my-app"})
	if err != nil {
		log.Fatal(err)
	}
	if err := rt.Run(ctx, singleton.Service("ledger", &ledger{stop})); err != nil {
		log.Fatal(err)
	}
	for _, s := range rt.Status() {
		fmt.Println(s, "is", s.State)
	}
	// Output:
	// open the books of service/ledger
	// keep them
	// close them: stopped: context canceled
	// service/ledger is stopped
}
