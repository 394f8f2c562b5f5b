package main

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/examples/grpc/schedulerpb"
	"github.com/singleton-go/singleton/fence/filefence"
	"github.com/singleton-go/singleton/grpcsingleton"
)

// A scheduler is the runner of the service. What it knows belongs to its term: it reads the file at the beginning.
type scheduler struct {
	schedulerpb.UnimplementedSchedulerServer
	*grpcsingleton.Service

	file string

	mu    sync.Mutex // also while the file is written, so that what is answered is what is there
	jobs  map[string]job
	added chan struct{}
}

// A job as it is in the file.
type job struct {
	Name  string    `json:"name"`
	Due   time.Time `json:"due"`
	RunBy uint64    `json:"run_by"`
}

func newScheduler(file string) *scheduler {
	s := &scheduler{file: file, added: make(chan struct{}, 1)}
	s.Service = grpcsingleton.Server("127.0.0.1:0", func(g *grpc.Server) {
		schedulerpb.RegisterSchedulerServer(g, s)
	}, grpcsingleton.ServerOptions{})
	return s
}

// Startup leaves the term's token in the file, and reads then: what an earlier term still wants to write is refused from now on, so
// nothing that it acknowledged is missed.
func (s *scheduler) Startup(ctx context.Context) error {
	term, _ := singleton.TermFrom(ctx)
	if err := filefence.Append(ctx, s.file, term, nil); err != nil {
		return err
	}
	text, err := os.ReadFile(s.file)
	if err != nil {
		return err
	}
	jobs := map[string]job{}
	if len(text) > 0 {
		err = json.Unmarshal(text, &jobs)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.jobs = jobs
	return err
}

// Run serves, and runs what is due, until the context ends. Calls that are under way then are ended by Shutdown, which the
// server brings along.
func (s *scheduler) Run(ctx context.Context) error {
	var due sync.WaitGroup
	defer due.Wait()
	due.Go(func() { s.runDue(ctx) })
	return s.Service.Run(ctx)
}

// runDue runs each job when its time has come, or as soon as somebody leads again.
func (s *scheduler) runDue(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-s.added:
		case <-ctx.Done():
			return
		}
		next, err := s.runAll(ctx)
		if err != nil {
			singleton.LoggerFrom(ctx).WarnContext(ctx, "jobs not run", "err", err)
			next = time.Second
		}
		timer.Reset(next)
	}
}

// runAll runs what is due, and returns when to look again. A job is noted as run before it runs: it may be missed if the process
// dies in between, and is never run twice. Where that is the wrong way round, note it afterwards.
func (s *scheduler) runAll(ctx context.Context) (time.Duration, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	term, _ := singleton.TermFrom(ctx)
	next := time.Hour
	for _, j := range s.jobs {
		switch wait := time.Until(j.Due); {
		case j.RunBy != 0:
		case wait > 0:
			next = min(next, wait)
		default:
			j.RunBy = term.Token()
			if err := s.save(ctx, j); err != nil {
				return 0, err
			}
			singleton.LoggerFrom(ctx).InfoContext(ctx, "runs", "job", j.Name)
		}
	}
	return next, nil
}

// save changes one job, in the file first. It needs mu.
func (s *scheduler) save(ctx context.Context, j job) error {
	jobs := maps.Clone(s.jobs)
	jobs[j.Name] = j
	text, err := json.MarshalIndent(jobs, "", "  ")
	if err != nil {
		return err
	}
	term, _ := singleton.TermFrom(ctx)
	if err := filefence.Replace(ctx, s.file, term, append(text, '\n')); err != nil {
		return err
	}
	s.jobs = jobs
	return nil
}

// Add implements the service. The context of a call is under the term, as that of the runner.
func (s *scheduler) Add(ctx context.Context, r *schedulerpb.AddRequest) (*schedulerpb.Job, error) {
	if r.GetName() == "" {
		return nil, status.Error(codes.InvalidArgument, "name: empty")
	}
	if err := r.GetDue().CheckValid(); err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "due: %v", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	j, known := s.jobs[r.GetName()]
	if !known {
		j = job{Name: r.GetName(), Due: r.GetDue().AsTime()}
		if err := s.save(ctx, j); err != nil {
			return nil, status.Errorf(codes.Unavailable, "job %s: %v", j.Name, err)
		}
	}
	select {
	case s.added <- struct{}{}:
	default:
	}
	return j.message(), nil
}

// List implements the service.
func (s *scheduler) List(context.Context, *schedulerpb.ListRequest) (*schedulerpb.ListResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sorted := slices.SortedFunc(maps.Values(s.jobs), func(a, b job) int {
		return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Name, b.Name))
	})
	answer := &schedulerpb.ListResponse{}
	for _, j := range sorted {
		answer.Jobs = append(answer.Jobs, j.message())
	}
	return answer, nil
}

func (j job) message() *schedulerpb.Job {
	return &schedulerpb.Job{Name: j.Name, Due: timestamppb.New(j.Due), RunBy: j.RunBy}
}
