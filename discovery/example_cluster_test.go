package discovery_test

import (
	"context"
	"fmt"
	"log"

	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/engine/ramengine"
)

// Any process sees the whole cluster, at once and after every change: nodes, units and their states, who leads what.
func ExampleDiscovery_Observe() {
	ctx, store := context.Background(), ramengine.New()
	open := func(c discovery.Config) *discovery.Discovery {
		c.Prefix = "/my-app"
		d, err := discovery.Open(store.Connect(), c)
		if err != nil {
			log.Fatal(err)
		}
		return d
	}
	build := open(discovery.Config{Node: "build-1"})
	defer build.Close(ctx)
	watcher := open(discovery.Config{Observer: true})
	defer watcher.Close(ctx)

	unit, err := build.Register(discovery.Unit{Kind: discovery.Worker, Name: "report"})
	if err != nil {
		log.Fatal(err)
	}
	term, err := build.Election("worker/report").Campaign(ctx)
	if err != nil {
		log.Fatal(err)
	}
	unit.Set(discovery.Ready, term.Token())

	for cluster, err := range watcher.Observe(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		e, _ := cluster.Election("worker/report")
		if len(cluster.Workers) == 0 || cluster.Workers[0].State != discovery.Ready || e.Leader.Node == "" {
			continue // what comes later is not here yet
		}
		for _, n := range cluster.Nodes {
			fmt.Println("node", n.Name, "is", n.State)
		}
		for _, w := range cluster.Workers {
			fmt.Println("worker", w.Name, "on", w.Node, "is", w.State)
		}
		fmt.Println(e.Name, "is led by", e.Leader.Node, "under its token:", e.Leader.Token == term.Token())
		break
	}
	if err := term.Resign(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// node build-1 is ready
	// worker report on build-1 is ready
	// worker/report is led by build-1 under its token: true
}
