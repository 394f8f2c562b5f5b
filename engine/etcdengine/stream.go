package etcdengine

import (
	"context"
	"fmt"
	"math"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// backlog is how many responses wait for a slow reader here. The rest waits at the server, which drops no events but lets a
// watch fail that falls behind the compaction of its history.
const backlog = 64

// anySize lifts gRPC's limit of 4 MiB for a message, as etcd's own client does: a watch that was behind gets up to a thousand
// revisions at once.
var anySize = grpc.MaxCallRecvMsgSize(math.MaxInt32)

// A stream is one watch on one member, over one stream of the connection. It ends with the connection, or when the member
// has no leader; it never resumes.
type stream struct {
	client    pb.Watch_WatchClient
	responses chan *pb.WatchResponse // closed at the end
	err       error                  // why it ended; to be read after responses is closed
}

// openStream asks for all changes of the range from now on. The stream lives as long as ctx.
func openStream(ctx context.Context, watcher pb.WatchClient, r keyRange) (*stream, error) {
	client, err := watcher.Watch(clientv3.WithRequireLeader(ctx), grpc.WaitForReady(true), anySize)
	if err != nil {
		return nil, err
	}
	s := &stream{client: client, responses: make(chan *pb.WatchResponse, backlog)}
	return s, s.send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{
		CreateRequest: &pb.WatchCreateRequest{Key: []byte(r.key), RangeEnd: []byte(r.end)},
	}})
}

// receive hands on what comes until the stream ends or ctx does.
func (s *stream) receive(ctx context.Context) {
	defer close(s.responses)
	for {
		resp, err := s.client.Recv()
		if err != nil {
			s.err = rpctypes.Error(err)
			return
		}
		select {
		case s.responses <- resp:
		case <-ctx.Done():
			s.err = ctx.Err()
			return
		}
	}
}

// next waits for one response.
func (s *stream) next() (*pb.WatchResponse, error) {
	resp, ok := <-s.responses
	if !ok {
		return nil, s.err
	}
	return resp, refusal(resp)
}

// ready returns a response that is here already, and nil where there is none.
func (s *stream) ready() *pb.WatchResponse {
	select {
	case resp := <-s.responses:
		return resp
	default:
		return nil
	}
}

// askProgress makes the server say, after all events that it has for this watch, how far the member is. It doesn't answer while
// the watch is behind: ask again.
func (s *stream) askProgress() error {
	return s.send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_ProgressRequest{
		ProgressRequest: &pb.WatchProgressRequest{},
	}})
}

func (s *stream) send(req *pb.WatchRequest) error {
	if err := s.client.Send(req); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

// refusal is the error in a response that ends the watch.
func refusal(resp *pb.WatchResponse) error {
	switch {
	case resp.CompactRevision != 0:
		return rpctypes.ErrCompacted
	case resp.Canceled:
		return rpctypes.Error(status.Error(codes.FailedPrecondition, resp.CancelReason))
	}
	return nil
}
