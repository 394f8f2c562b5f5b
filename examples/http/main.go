// Command http is a counter behind a plain load balancer. Start it as often as you like, each with a port of its own:
//
//	go run ./examples/http -listen 127.0.0.1:8081
//	go run ./examples/http -listen 127.0.0.1:8082
//
//	curl -X POST 127.0.0.1:8082/
//
// Every process answers. The count is kept by one of them, and the others pass requests on to it. Stop that one with Ctrl-C while
// requests come: the next one takes over, and no request fails. It begins to count anew, since the count is in memory; a real
// service would keep it in a database, and fence that by the term's token.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/engine/fileengine"
	"github.com/singleton-go/singleton/httpsingleton"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8081", "address for everybody, as the load balancer knows it")
	dir := flag.String("dir", filepath.Join(os.TempDir(), "singleton-example-http"), "directory that the processes share")
	flag.Parse()
	ctx, stop := singleton.Signals(context.Background())
	defer stop()
	if err := run(ctx, *listen, *dir); err != nil {
		log.Fatal(err) //nolint:gocritic // the process ends
	}
}

func run(ctx context.Context, listen, dir string) error {
	eng, err := fileengine.New(dir)
	if err != nil {
		return err
	}
	rt, err := singleton.New(eng, singleton.Config{Prefix: "/example", Logger: slog.Default()})
	if err != nil {
		return err
	}
	// Where the count is kept: nobody but the other processes calls this address.
	counter := httpsingleton.Server("127.0.0.1:0", new(count), httpsingleton.ServerOptions{})
	return rt.Run(ctx,
		singleton.Service("counter", counter),
		singleton.Replica("front", singleton.RunnerFunc(func(ctx context.Context) error { return front(ctx, rt, listen, counter) })),
	)
}

// front answers in every process, and tells probes how it is.
func front(ctx context.Context, rt *singleton.Runtime, listen string, counter *httpsingleton.Service) error {
	t, err := httpsingleton.Follow(rt.Discovery(), "counter", httpsingleton.Options{}) //nolint:contextcheck // it ends with Close
	if err != nil {
		return err
	}
	defer t.Close()
	mux := http.NewServeMux()
	mux.Handle("/", httpsingleton.Forward(t, counter))
	for _, probe := range []string{"/livez", "/readyz", "/leaderz"} {
		mux.Handle(probe, httpsingleton.Health(rt))
	}
	server := &http.Server{Addr: listen, Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() { stopped <- server.Shutdown(context.WithoutCancel(ctx)) })
	defer stop()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}

// A count is the service: whoever runs it keeps the number.
type count struct{ n atomic.Int64 }

func (c *count) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := c.n.Load()
	if r.Method == http.MethodPost {
		n = c.n.Add(1)
	}
	term, _ := singleton.TermFrom(r.Context())
	_, _ = fmt.Fprintf(w, "%d, counted by process %d under token %d\n", n, os.Getpid(), term.Token())
}
