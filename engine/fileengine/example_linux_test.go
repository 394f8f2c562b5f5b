package fileengine_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/engine/fileengine"
)

// All processes of this machine that name the directory elect the one that makes the backup. They need nothing beside them.
func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()

	engine, err := fileengine.New(dir) // a program would say "/var/lib/my-app/singleton"
	if err != nil {
		log.Fatal(err)
	}
	rt, err := singleton.New(engine, singleton.Config{Prefix: "/my-app"})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	err = rt.Run(ctx, singleton.Worker("backup", singleton.RunnerFunc(func(context.Context) error {
		fmt.Println("making the backup, as the only process")
		stop()
		return nil
	})))
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// making the backup, as the only process
}
