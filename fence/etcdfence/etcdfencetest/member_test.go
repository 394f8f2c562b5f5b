package etcdfencetest_test

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/namespace"

	"github.com/singleton-go/singleton/engine/etcdengine/etcdtest"
	"github.com/singleton-go/singleton/fence"
)

const election = "worker/data-sync"

func term(token uint64) fence.Term { return fence.NewTerm(election, token) }

// client is of the member that all tests share; each has a namespace of its own.
var client *clientv3.Client

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "etcdfence")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	member, err := etcdtest.Start(dir)
	if err != nil {
		panic(err)
	}
	defer func() { _ = member.Close() }()
	if client, err = member.Client(); err != nil {
		panic(err)
	}
	defer func() { _ = client.Close() }()
	return m.Run()
}

var namespaces atomic.Int64

// fresh is an empty store, and its name.
func fresh() (clientv3.KV, string) {
	name := fmt.Sprintf("t%d/", namespaces.Add(1))
	return namespace.NewKV(client, name), name
}
