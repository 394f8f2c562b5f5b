package grpcfence_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/singleton-go/singleton/fence"
	"github.com/singleton-go/singleton/fence/grpcfence"
)

// A server lets the leader of one election write. A call that an old leader sends after its successor's is refused, and the old
// leader learns why.
func Example() {
	fenced, err := grpcfence.ServerOptions(grpcfence.Options{Resource: "ledger", Elections: []string{"worker/billing"}})
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer(fenced...)
	echo(func(_ context.Context, text string) (string, error) { return text + " is written", nil }).register(server)
	network := bufconn.Listen(1 << 16)
	go func() { _ = server.Serve(network) }()
	defer server.Stop()

	for _, token := range []uint64{7, 9, 7} {
		term := fence.NewTerm("worker/billing", token)
		cc, err := grpc.NewClient("passthrough:///ledger", append(grpcfence.DialOptions(fence.Always(term)),
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return network.Dial() }),
		)...)
		if err != nil {
			log.Fatal(err)
		}
		text, err := call(context.Background(), cc, "an entry")
		if errors.Is(err, fence.ErrStale) {
			text = err.Error()
		}
		fmt.Println(text)
		_ = cc.Close()
	}
	// Output:
	// an entry is written
	// an entry is written
	// stale term: resource "ledger" refuses token 7 of election "worker/billing": it has seen token 9
}
