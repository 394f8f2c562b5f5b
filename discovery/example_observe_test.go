package discovery_test

import (
	"context"
	"fmt"
	"log"

	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/election"
	"github.com/singleton-go/singleton/engine/ramengine"
)

// A process that only looks learns who leads, now and after every change. That nobody leads is an answer too.
func Example_observe() {
	ctx, store := context.Background(), ramengine.New()
	open := func(c discovery.Config) *discovery.Discovery {
		c.Prefix = "/my-app"
		d, err := discovery.Open(store.Connect(), c)
		if err != nil {
			log.Fatal(err)
		}
		return d
	}
	observer := open(discovery.Config{Observer: true})
	defer observer.Close(ctx)
	worker := open(discovery.Config{Node: "build-1"})
	defer worker.Close(ctx)

	var term election.Term
	for leader, err := range observer.Election("report").Observe(ctx) {
		switch {
		case err != nil:
			log.Fatal(err)
		case leader.Token == 0 && term.Token() == 0:
			fmt.Println("nobody leads")
			if term, err = worker.Election("report").Campaign(ctx); err != nil {
				log.Fatal(err)
			}
		case leader.Token != 0:
			fmt.Println("build-1 leads:", leader.Candidate == worker.NodeID() && leader.Token == term.Token())
			if err := term.Resign(ctx); err != nil {
				log.Fatal(err)
			}
		default:
			fmt.Println("nobody leads any more")
			return
		}
	}
	// Output:
	// nobody leads
	// build-1 leads: true
	// nobody leads any more
}
