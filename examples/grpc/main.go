// Command grpc is a scheduler with as many replicas as you start: one of them schedules, the others wait to take over, and the
// clients follow it. Start it three times, and give it work from a fourth terminal:
//
//	go run ./examples/grpc
//
//	go run ./examples/grpc add tea 3s
//	go run ./examples/grpc list
//
// Stop the one that leads with Ctrl-C, or kill it: no job that was acknowledged is lost, and none is run by two. The jobs are in a
// file, which refuses what a leader of an earlier term writes.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/engine/fileengine"
	"github.com/singleton-go/singleton/examples/grpc/schedulerpb"
	"github.com/singleton-go/singleton/grpcsingleton"
)

const prefix = "/example"

func main() {
	dir := flag.String("dir", filepath.Join(os.TempDir(), "singleton-example-grpc"), "directory that all share")
	flag.Parse()
	ctx, stop := singleton.Signals(context.Background())
	defer stop()
	if err := run(ctx, *dir, flag.Args(), os.Stdout); err != nil {
		log.Fatal(err) //nolint:gocritic // the process ends
	}
}

func run(ctx context.Context, dir string, args []string, out io.Writer) error {
	switch {
	case len(args) == 0:
		return serve(ctx, dir)
	case len(args) == 3 && args[0] == "add":
		in, err := time.ParseDuration(args[2])
		if err != nil {
			return err
		}
		return ask(ctx, dir, func(c schedulerpb.SchedulerClient) error { return add(ctx, c, args[1], in) })
	case len(args) == 1 && args[0] == "list":
		return ask(ctx, dir, func(c schedulerpb.SchedulerClient) error { return list(ctx, c, out) })
	}
	return fmt.Errorf("%q: give nothing, add NAME DURATION, or list", args)
}

// serve is one replica.
func serve(ctx context.Context, dir string) error {
	eng, err := fileengine.New(filepath.Join(dir, "store"))
	if err != nil {
		return err
	}
	rt, err := singleton.New(eng, singleton.Config{Prefix: prefix, Logger: slog.Default()})
	if err != nil {
		return err
	}
	return rt.Run(ctx, singleton.Service("scheduler", newScheduler(filepath.Join(dir, "jobs.json"))))
}

// ask gives use a client that follows the scheduler.
func ask(ctx context.Context, dir string, use func(schedulerpb.SchedulerClient) error) error {
	eng, err := fileengine.New(filepath.Join(dir, "store"))
	if err != nil {
		return err
	}
	d, err := discovery.Open(eng, discovery.Config{Prefix: prefix, Observer: true})
	if err != nil {
		return err
	}
	defer d.Close(context.WithoutCancel(ctx))
	conn, err := grpcsingleton.NewClient(d, "scheduler",
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	if err != nil {
		return err
	}
	defer conn.Close()
	return use(schedulerpb.NewSchedulerClient(conn))
}

func add(ctx context.Context, c schedulerpb.SchedulerClient, name string, in time.Duration) error {
	_, err := c.Add(ctx, &schedulerpb.AddRequest{Name: name, Due: timestamppb.New(time.Now().Add(in))})
	return err
}

func list(ctx context.Context, c schedulerpb.SchedulerClient, out io.Writer) error {
	found, err := c.List(ctx, &schedulerpb.ListRequest{})
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "JOB\tDUE\tRUN UNDER TOKEN") // Flush tells
	for _, j := range found.GetJobs() {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%d\n", j.GetName(), j.GetDue().AsTime().Local().Format(time.TimeOnly), j.GetRunBy())
	}
	return t.Flush()
}
