package grpcsingleton_test

import (
	"net"
	"testing"

	"google.golang.org/grpc"

	"github.com/singleton-go/singleton/grpcsingleton"
)

func TestServerWhoseMakingPanicsLeavesItsAddressFree(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	panics := grpcsingleton.Server(addr, func(*grpc.Server) { panic("not today") }, grpcsingleton.ServerOptions{})
	func() {
		defer func() { _ = recover() }()
		_ = panics.Run(t.Context())
	}()
	if l, err = net.Listen("tcp", addr); err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
}
