package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"text/tabwriter"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/engine/ramengine"
	"github.com/singleton-go/singleton/grpcsingleton"
	"github.com/singleton-go/singleton/httpsingleton"
)

// A comparison is what one way of calling takes beside another, whose calls took turns with its own.
type comparison struct {
	Way   string  `json:"way"`
	P50   float64 `json:"p50_us"`
	Floor float64 `json:"direct_p50_us"`
	Aim   bool    `json:"has_aim"` // within 5 % or 5 us, whichever is more
}

// more is what a way costs, in microseconds and as a share.
func (c comparison) more() (us, share float64) { return c.P50 - c.Floor, c.P50/c.Floor - 1 }

// bench runs two processes' worth in this one, on a store in memory, and calls the one that leads.
func bench(ctx context.Context, n int) (list []comparison, err error) {
	store := ramengine.New()
	do := doer(func(context.Context, string, singleton.Term) error { return nil })
	ctx, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	for _, name := range []string{"leader", "standby"} {
		rt, err := singleton.New(store.Connect(), singleton.Config{Prefix: prefix, Node: name})
		if err != nil {
			return nil, err
		}
		all.Go(func() {
			_ = rt.Run(ctx, // what fails shows in the calls
				singleton.Service(httpService, httpsingleton.Server("127.0.0.1:0", do, httpsingleton.ServerOptions{})),
				singleton.Service(grpcService, grpcsingleton.Server("127.0.0.1:0", do.register, grpcsingleton.ServerOptions{})),
			)
		})
	}
	d, err := discovery.Open(store.Connect(), discovery.Config{Prefix: prefix, Observer: true})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.Close(context.WithoutCancel(ctx))) }()
	grpcResult, err := benchGRPC(ctx, d, n)
	if err != nil {
		return nil, err
	}
	httpResults, err := benchHTTP(ctx, d, n)
	return append(httpResults, grpcResult), err
}

func benchGRPC(ctx context.Context, d *discovery.Discovery, n int) (comparison, error) {
	address, err := addressOf(ctx, d, grpcService)
	if err != nil {
		return comparison{}, err
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.WaitForReady(true)),
	}
	direct, err := grpc.NewClient(address, options...)
	if err != nil {
		return comparison{}, err
	}
	defer direct.Close()
	following, err := grpcsingleton.NewClient(d, grpcService, options...)
	if err != nil {
		return comparison{}, err
	}
	defer following.Close()
	call := func(conn *grpc.ClientConn) func() error {
		return func() error { return conn.Invoke(ctx, grpcMethod, wrapperspb.String("x"), &wrapperspb.StringValue{}) }
	}
	took, err := takeTurns(n, call(direct), call(following))
	if err != nil {
		return comparison{}, err
	}
	return comparison{"gRPC, following", took[1], took[0], true}, nil
}

func benchHTTP(ctx context.Context, d *discovery.Discovery, n int) ([]comparison, error) {
	address, err := addressOf(ctx, d, httpService)
	if err != nil {
		return nil, err
	}
	t, err := httpsingleton.Follow(d, httpService, httpsingleton.Options{}) //nolint:contextcheck // it ends with Close
	if err != nil {
		return nil, err
	}
	defer t.Close()
	front, stop, err := serveFront(t)
	if err != nil {
		return nil, err
	}
	defer stop()
	base := http.DefaultTransport.(*http.Transport).Clone()
	defer base.CloseIdleConnections()
	took, err := takeTurns(n, post(ctx, base, address), post(ctx, t, httpService), post(ctx, base, front))
	if err != nil {
		return nil, err
	}
	return []comparison{{"HTTP, following", took[1], took[0], true}, {"HTTP, forwarded by a standby", took[2], took[0], false}}, nil
}

// serveFront is a standby behind a load balancer.
func serveFront(t *httpsingleton.Transport) (address string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: httpsingleton.Forward(t, nil), ReadHeaderTimeout: patience}
	var wg sync.WaitGroup
	wg.Go(func() { _ = server.Serve(l) })
	return l.Addr().String(), func() {
		_ = server.Close()
		wg.Wait()
	}, nil
}

func post(ctx context.Context, t http.RoundTripper, host string) func() error {
	client := &http.Client{Transport: t}
	return func() error {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+host+"/x", nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(r)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		return errors.Join(err, resp.Body.Close())
	}
}

func addressOf(ctx context.Context, d *discovery.Discovery, service string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for t, err := range d.Follow(ctx, service) {
		if err != nil {
			return "", err
		}
		if len(t.Endpoints) > 0 {
			return t.Endpoints[0].Address, nil
		}
	}
	return "", fmt.Errorf("service %s: %w", service, context.Cause(ctx))
}

// takeTurns makes each kind of call n times, in turns, and returns the medians in microseconds.
func takeTurns(n int, calls ...func() error) ([]float64, error) {
	warmUp := n / 10
	took := make([][]time.Duration, len(calls))
	for i := range warmUp + n {
		for k := range calls {
			which := (i + k) % len(calls) // none is always the one after the same other
			begun := time.Now()
			if err := calls[which](); err != nil {
				return nil, err
			}
			if i >= warmUp {
				took[which] = append(took[which], time.Since(begun))
			}
		}
	}
	medians := make([]float64, len(calls))
	for i := range took {
		medians[i] = 1000 * quantile(took[i], 0.5)
	}
	return medians, nil
}

// quantile returns milliseconds; of nothing it is 0.
func quantile(took []time.Duration, q float64) float64 {
	if len(took) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(took))
	return float64(sorted[int(q*float64(len(sorted)-1))].Nanoseconds()) / 1e6
}

func printBench(out io.Writer, list []comparison) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(t, "way\tp50 us\tdirect\tmore us\tmore %\taim\t") // Flush tells
	for _, c := range list {
		us, share := c.more()
		aim := ""
		if c.Aim {
			aim = "5 us or 5 %"
		}
		_, _ = fmt.Fprintf(t, "%s\t%.1f\t%.1f\t%.1f\t%.1f\t%s\t\n", c.Way, c.P50, c.Floor, us, 100*share, aim)
	}
	return t.Flush()
}
