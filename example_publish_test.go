package singleton_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"testing/fstest"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/engine/ramengine"
)

// A greeter listens where it leads, on a port of the system's choice, and says where. Package httpsingleton does this and the
// rest of what a server wants.
func greeter(ctx context.Context) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.FileServerFS(fstest.MapFS{"greeting": {Data: []byte("hello\n")}})}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := singleton.Publish(ctx, singleton.Endpoint{Protocol: "http", Address: listener.Addr().String()}); err != nil {
		return err
	}
	return server.Serve(listener)
}

// Any process can ask where a service is now, and be told when it moves.
func ExamplePublish() {
	store := ramengine.New()
	rt, err := singleton.New(store, singleton.Config{Prefix: "/my-app"})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	over := make(chan error)
	go func() { over <- rt.Run(ctx, singleton.Service("greeter", singleton.RunnerFunc(greeter))) }()

	client, err := discovery.Open(store, discovery.Config{Prefix: "/my-app", Observer: true})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close(ctx)
	for target, err := range client.Follow(ctx, "greeter") {
		switch {
		case err != nil:
			log.Fatal(err)
		case target.Token == 0: // not there yet
			continue
		}
		response, err := http.Get("http://" + target.Endpoints[0].Address + "/greeting")
		if err != nil {
			log.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		fmt.Print(string(body))
		fmt.Println(err, response.Body.Close())
		break
	}
	stop()
	fmt.Println(<-over)
	// Output:
	// hello
	// <nil> <nil>
	// <nil>
}
