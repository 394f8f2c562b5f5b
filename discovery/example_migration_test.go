package discovery_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/election"
	"github.com/singleton-go/singleton/engine/ramengine"
)

// Every process wants the database migrated before it goes on. One at a time tries; who comes later finds it done.
func ExampleDiscovery_Election() {
	store, done := ramengine.New(), false
	migrate := func(process string) error {
		ctx := context.Background()
		d, err := discovery.Open(store.Connect(), discovery.Config{Prefix: "/my-app", Node: process})
		if err != nil {
			return err
		}
		defer d.Close(ctx)
		err = d.Election("migrations").Lead(ctx, func(_ context.Context, term election.Term) error {
			fmt.Println(process, "leads with a token:", term.Token() > 0, "- was it done?", done)
			done = true
			return nil
		})
		if errors.Is(err, election.ErrLost) {
			return fmt.Errorf("another process took over: %w", err)
		}
		return err
	}
	for _, process := range []string{"build-1", "build-2"} {
		if err := migrate(process); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// build-1 leads with a token: true - was it done? false
	// build-2 leads with a token: true - was it done? true
}
