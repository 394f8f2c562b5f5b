package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/grpcsingleton"
	"github.com/singleton-go/singleton/httpsingleton"
)

// An attacker sends calls to one service at a steady rate, whatever becomes of them. Rate and figures are vegeta's; what sends
// the calls is the client under test.
type attacker struct {
	protocol string
	client   http.RoundTripper
	close    func()
}

func newAttackers(d *discovery.Discovery) ([]attacker, error) {
	t, err := httpsingleton.Follow(d, httpService, httpsingleton.Options{MaxWaiting: 1 << 20})
	if err != nil {
		return nil, err
	}
	conn, err := grpcsingleton.NewClient(d, grpcService,
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	if err != nil {
		t.Close()
		return nil, err
	}
	return []attacker{{"HTTP", t, t.Close}, {"gRPC", bridge{conn}, func() { _ = conn.Close() }}}, nil
}

// attack yields the result of every call.
func (a attacker) attack(rate int, length time.Duration) <-chan *vegeta.Result {
	var n atomic.Uint64
	target := func(t *vegeta.Target) error {
		t.Method, t.URL = http.MethodPost, fmt.Sprintf("http://%s/%s-%d", strings.ToLower(a.protocol), a.protocol, n.Add(1))
		return nil
	}
	// The timeout is what waiting for somebody who serves may take.
	v := vegeta.NewAttacker(vegeta.Client(&http.Client{Transport: a.client, Timeout: patience}))
	return v.Attack(target, vegeta.Rate{Freq: rate, Per: time.Second}, length, a.protocol)
}

// A bridge makes a gRPC call of each request.
type bridge struct{ conn *grpc.ClientConn }

// RoundTrip implements [http.RoundTripper].
func (b bridge) RoundTrip(r *http.Request) (*http.Response, error) {
	token, err := b.call(r.Context(), strings.TrimPrefix(r.URL.Path, "/"))
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: http.StatusOK, Status: "200 OK", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
		Body: io.NopCloser(strings.NewReader(token)), ContentLength: int64(len(token)), Request: r,
	}, nil
}

func (b bridge) call(ctx context.Context, key string) (token string, err error) {
	out := &wrapperspb.StringValue{}
	err = b.conn.Invoke(ctx, grpcMethod, wrapperspb.String(key), out)
	return out.GetValue(), err
}
