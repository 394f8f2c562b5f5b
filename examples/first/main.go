// Every process of a cluster runs this same program. At any moment one of them syncs and one serves the ledger; the others
// stand by.
package main

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"time"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/engine/ramengine"
	"github.com/singleton-go/singleton/schedule"
)

func main() {
	ctx, stop := singleton.Signals(context.Background())
	defer stop()

	rt, err := singleton.New(ramengine.New(), singleton.Config{Prefix: "/my-app", Logger: slog.Default()})
	if err != nil {
		log.Fatal(err)
	}
	err = rt.Run(ctx,
		singleton.Worker("data-sync", schedule.Every(time.Minute, sync)),
		singleton.Service("ledger", singleton.RunnerFunc(serve)),
	)
	if err != nil {
		log.Fatal(err)
	}
}

// sync runs once a minute, in one process. Its context ends before another process can be elected; the token covers the rest.
func sync(ctx context.Context) error {
	term, _ := singleton.TermFrom(ctx)
	fmt.Println("syncing under token", term.Token())
	return nil
}

// serve runs in one process, until that is told to stop or loses its leadership.
func serve(ctx context.Context) error {
	<-ctx.Done()
	return context.Cause(ctx)
}
