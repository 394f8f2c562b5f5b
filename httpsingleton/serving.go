package httpsingleton

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/fence"
)

var errStopping = errors.New("the server stops")

// A serving is one term's server.
type serving struct {
	of      *Service
	term    singleton.Term
	leading context.Context //nolint:containedctx // of the runner: when it ends no new request is run
	work    context.Context //nolint:containedctx // of the requests
	abort   context.CancelCauseFunc
	server  *http.Server
	over    chan struct{} // closed when the server has ended, with err
	err     error
	watch   sync.WaitGroup
	traffic traffic

	asking sync.Mutex // held while the store is asked

	mu       sync.Mutex
	closed   bool // no handler begins any more
	handlers sync.WaitGroup
}

func newServing(ctx context.Context, s *Service, l net.Listener) *serving {
	term, _ := singleton.TermFrom(ctx)
	v := &serving{
		of: s, term: term, leading: ctx, over: make(chan struct{}), server: &http.Server{},
		traffic: traffic{open: map[net.Conn]bool{}},
	}
	v.work, v.abort = context.WithCancelCause(context.WithoutCancel(ctx))
	if s.options.Configure != nil {
		s.options.Configure(v.server)
	}
	v.server.Handler, v.server.TLSConfig = v, s.options.TLS
	v.server.ConnState = v.hook(v.server.ConnState)
	v.server.BaseContext = func(net.Listener) context.Context { return v.work }
	v.watch.Go(v.endWithTerm)
	v.watch.Go(func() {
		defer close(v.over)
		if v.err = v.serve(l); errors.Is(v.err, http.ErrServerClosed) {
			v.err = nil
		}
	})
	return v
}

func (v *serving) serve(l net.Listener) error {
	if v.of.options.TLS != nil {
		return v.server.ServeTLS(l, "", "")
	}
	return v.server.Serve(l)
}

// endWithTerm ends everything as soon as leadership is lost.
func (v *serving) endWithTerm() {
	select {
	case <-v.term.Lost():
		_ = v.server.Close() // first: a handler that is told to stop must not answer as if it had done its work
		v.abort(v.term.Err())
	case <-v.work.Done():
	}
}

// hook is told of connections beside the user's own hook.
func (v *serving) hook(users func(net.Conn, http.ConnState)) func(net.Conn, http.ConnState) {
	if users == nil {
		return v.traffic.conn
	}
	return func(c net.Conn, s http.ConnState) {
		v.traffic.conn(c, s)
		users(c, s)
	}
}

// stop ends the server, and returns when all handlers have returned. Requests under way may go on until ctx ends.
func (v *serving) stop(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		_ = v.server.Close()
		v.abort(context.Cause(ctx))
	})
	defer stop()
	v.mu.Lock()
	v.closed = true
	v.mu.Unlock()
	v.handlers.Wait()
	if v.work.Err() == nil {
		v.traffic.settle(v.work.Done())
	}
	err := v.server.Shutdown(ctx)
	v.abort(errStopping)
	v.watch.Wait()
	return err
}

// ServeHTTP runs a request under the term, or refuses it.
func (v *serving) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := v.run(w, r); err != nil {
		refuse(w, err)
		_ = http.NewResponseController(w).Flush() // before a doubt can end the server
		v.mind(err)
	}
}

// run returns an error where it has not run the request.
func (v *serving) run(w http.ResponseWriter, r *http.Request) error {
	if !v.begin() {
		return errStopping
	}
	defer v.handlers.Done()
	if err := v.admit(r); err != nil {
		return err
	}
	w.Header().Set(fence.ElectionHeader, v.term.Election())
	w.Header().Set(fence.TokenHeader, fence.FormatToken(v.term.Token()))
	ctx, cancel := v.under(r.Context())
	defer cancel()
	v.of.handler.ServeHTTP(w, r.WithContext(ctx))
	return nil
}

// runHere runs a request that came to another server of this process, and says whether it did.
func (v *serving) runHere(w http.ResponseWriter, r *http.Request) bool {
	err := v.run(w, r)
	v.mind(err)
	return err == nil
}

// under returns a request's context under the term: it has the values of both, and ends with whichever ends first. Where the term
// was lost, that is the cause, also if the end of the connection was told first.
func (v *serving) under(request context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(valuesOf{context.WithoutCancel(request), v.work})
	timed, stopTimer := ctx, context.CancelFunc(func() {})
	if at, ok := request.Deadline(); ok { // set by a handler of another server of this process
		timed, stopTimer = context.WithDeadline(ctx, at)
	}
	stopRequest := context.AfterFunc(request, func() {
		if !errors.Is(request.Err(), context.DeadlineExceeded) { // which timed finds out by itself
			cancel(v.cause(request))
		}
	})
	stopWork := context.AfterFunc(v.work, func() { cancel(v.cause(v.work)) })
	return timed, func() {
		stopRequest()
		stopWork()
		stopTimer()
		cancel(nil)
	}
}

// cause says why a request ends.
func (v *serving) cause(ended context.Context) error {
	if lost := v.term.Err(); lost != nil {
		return lost
	}
	return context.Cause(ended)
}

// valuesOf is a request's context with the values of the runner's beside its own.
type valuesOf struct {
	context.Context                 //nolint:containedctx // it is one
	runner          context.Context //nolint:containedctx // for its values
}

func (c valuesOf) Value(key any) any {
	if v := c.Context.Value(key); v != nil {
		return v
	}
	return c.runner.Value(key)
}

func (v *serving) begin() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return false
	}
	v.handlers.Add(1)
	return true
}

// admit says why a request is not to be run.
func (v *serving) admit(r *http.Request) error {
	if v.leading.Err() != nil {
		return errStopping
	}
	if err := v.term.Check(); err != nil {
		return err
	}
	return fence.Meant(v.term, r.Header.Get(fence.TargetHeader))
}

// mind asks the store whether the term is held still, where a request was refused for a newer one. Whoever sends requests can make
// it ask, one question at a time.
func (v *serving) mind(refused error) {
	if !errors.Is(refused, fence.ErrStale) || !v.begin() {
		return
	}
	defer v.handlers.Done()
	if !v.asking.TryLock() {
		return
	}
	v.watch.Go(func() {
		defer v.asking.Unlock()
		_ = v.term.Confirm(v.work) // whose outcome ends the term, if it has to end
	})
}

// refuse answers that the request was not run.
func refuse(w http.ResponseWriter, err error) {
	h := w.Header()
	h.Set(fence.RefusedHeader, "not leading")
	h.Set("Connection", "close")
	http.Error(w, "not run: "+err.Error(), http.StatusServiceUnavailable)
}
