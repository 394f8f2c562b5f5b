package discovery_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"slices"
	"sync"

	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/election"
	"github.com/singleton-go/singleton/engine/ramengine"
)

// Two processes stand for the same work. A person asks the leader to hand over to the other by its name, and then whoever leads
// to make way. A leader is never pre-empted: it stops its work first, and then goes to the end of the queue.
func ExampleDiscovery_Transfer() {
	ctx, stop := context.WithCancel(context.Background())
	store, leads := ramengine.New(), make(chan string, 1)
	open := func(c discovery.Config) *discovery.Discovery {
		c.Prefix = "/my-app"
		d, err := discovery.Open(store.Connect(), c)
		if err != nil {
			log.Fatal(err)
		}
		return d
	}
	person := open(discovery.Config{Observer: true})
	defer person.Close(ctx)

	awaitQueue := func(waiting int) {
		unnamed := func(c discovery.Candidate) bool { return c.Node == "" } // its node's record has not come yet
		for c, err := range person.Observe(ctx) {
			if err != nil {
				log.Fatal(err)
			}
			e, _ := c.Election("report")
			if len(e.Waiting) == waiting && !unnamed(e.Leader) && !slices.ContainsFunc(e.Waiting, unnamed) {
				return
			}
		}
	}

	var processes sync.WaitGroup
	for i, name := range []string{"build-1", "build-2"} {
		d := open(discovery.Config{Node: name})
		processes.Go(func() {
			defer d.Close(context.WithoutCancel(ctx))
			work := func(ctx context.Context, _ election.Term) error {
				leads <- name
				<-ctx.Done() // here it finishes what it has begun
				return context.Cause(ctx)
			}
			for err := election.ErrAsked; errors.Is(err, election.ErrAsked); {
				err = d.Election("report").Lead(ctx, work)
			}
		})
		awaitQueue(i)
	}
	fmt.Println(<-leads)
	fmt.Println(person.Transfer(ctx, "report", "build-2"), <-leads)
	awaitQueue(1)
	fmt.Println(person.Resign(ctx, "report"), <-leads)
	stop()
	processes.Wait()
	// Output:
	// build-1
	// <nil> build-2
	// <nil> build-1
}
