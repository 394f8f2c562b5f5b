package etcdfencetest_test

import (
	"context"
	"fmt"
	"log"
	"os"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/singleton-go/singleton/engine/etcdengine/etcdtest"
	"github.com/singleton-go/singleton/fence"
	"github.com/singleton-go/singleton/fence/etcdfence"
)

// Two leaders set a price. The older one was paused, and goes on after its successor has written.
func Example() {
	dir, err := os.MkdirTemp("", "etcd")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	member, err := etcdtest.Start(dir)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = member.Close() }()
	client, err := member.Client()
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = client.Close() }()

	ctx := context.Background()
	for _, token := range []uint64{7, 9, 7} {
		term := fence.NewTerm("worker/pricing", token)
		_, err := etcdfence.Txn(ctx, client, term, "prices").
			Then(clientv3.OpPut("/prices/17", fmt.Sprintf("set in term %d", token))).
			Commit()
		fmt.Println(err)
	}
	price, err := client.Get(ctx, "/prices/17")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", price.Kvs[0].Value)
	// Output:
	// <nil>
	// <nil>
	// stale term: resource "prices" refuses token 7 of election "worker/pricing": it has seen token 9
	// set in term 9
}
