package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/singleton-go/singleton/engine/etcdengine"
)

// NodeOptions are what the process of a node is told.
type NodeOptions struct {
	Name  string
	Store string // the endpoint of etcd
	Sink  string // the URL of the sink
	TTL   time.Duration
}

// args are the command line of a node's process.
func (o NodeOptions) args() []string {
	return []string{"demo", "node", "--name=" + o.Name, "--store=" + o.Store, "--sink=" + o.Sink, "--ttl=" + o.TTL.String()}
}

// errAlone is why a node ends without having been told to.
var errAlone = errors.New("the demo is gone")

// Node is the program of a node's process. It runs until ctx ends, and then stops in order; when in ends, which the demo holds
// open for as long as it lives, it returns at once.
func Node(ctx context.Context, o NodeOptions, in io.Reader, stderr io.Writer) error {
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{o.Store}, Logger: zap.NewNop()})
	if err != nil {
		return fmt.Errorf("%s: %w", o.Name, err)
	}
	defer client.Close()
	n := &node{name: o.Name, ttl: o.TTL, sink: o.Sink, edge: http.DefaultTransport, log: slog.New(slog.NewTextHandler(stderr, nil))}
	alone, done := make(chan struct{}), make(chan error, 1)
	go func() {
		defer close(alone)
		_, _ = io.Copy(io.Discard, in)
	}()
	go func() { done <- n.run(ctx, etcdengine.New(client)) }()
	select {
	case err := <-done:
		return err
	case <-alone: // the process ends, and with it whatever still runs
		return errAlone
	}
}

// A tail keeps the last line that was written to it.
type tail struct{ line string }

// Write expects whole lines.
func (t *tail) Write(b []byte) (int, error) {
	if lines := strings.Split(strings.TrimSpace(string(b)), "\n"); lines[0] != "" {
		t.line = lines[len(lines)-1]
	}
	return len(b), nil
}

// String is to be called when nothing is written any more.
func (t *tail) String() string { return strings.TrimPrefix(t.line, "singleton: ") }
