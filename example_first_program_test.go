package singleton_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/engine/ramengine"
	"github.com/singleton-go/singleton/schedule"
)

// Every process of the cluster runs this same program. At any moment one of them synchronises, and one serves the ledger; the
// others stand by.
func Example_firstProgram() {
	ctx, stop := singleton.Signals(context.Background())
	defer stop()

	sync := func(ctx context.Context) error {
		term, _ := singleton.TermFrom(ctx)
		fmt.Println("syncing as the only one, with a token:", term.Token() > 0)
		stop() // one call is enough for an example
		return nil
	}
	ledger := singleton.RunnerFunc(func(ctx context.Context) error {
		<-ctx.Done() // serve until told to stop
		return nil
	})

	rt, err := singleton.New(ramengine.New(), singleton.Config{Prefix: "/my-app"})
	if err != nil {
		log.Fatal(err)
	}
	err = rt.Run(ctx,
		singleton.Worker("data-sync", schedule.Every(time.Minute, sync)),
		singleton.Service("ledger", ledger),
	)
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// syncing as the only one, with a token: true
}
