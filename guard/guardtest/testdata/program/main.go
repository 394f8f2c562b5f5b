// The program is guarded, and tells of its terms on standard output.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"os"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/etcdengine"
	"github.com/singleton-go/singleton/guard"
)

var (
	store = flag.String("etcd", "", "where etcd is")
	ttl   = flag.Duration("ttl", time.Minute, "TTL of the session")
)

func main() {
	guard.Main(open)
	ctx, stop := singleton.Signals(context.Background())
	defer stop()
	eng, err := open(ctx)
	if err != nil {
		log.Fatal(err)
	}
	rt, err := singleton.New(eng, singleton.Config{
		Prefix: "/guardtest", Guard: true, Timing: discovery.Timing{TTL: *ttl},
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := rt.Run(ctx, singleton.Worker("job", singleton.RunnerFunc(job))); err != nil {
		log.Fatal(err)
	}
	fmt.Println("stopped")
}

// open finds the store by a flag: the guard has the program's arguments.
func open(context.Context) (engine.Engine, error) {
	flag.Parse()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{*store}})
	if err != nil {
		return nil, err
	}
	return etcdengine.New(client), nil
}

func job(ctx context.Context) error {
	fmt.Println("leads")
	<-ctx.Done()
	fmt.Println("leads no longer")
	return nil
}
