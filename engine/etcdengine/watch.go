package etcdengine

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/singleton-go/singleton/engine"
)

// errNoProgress ends a watch that could not say for three times the wanted interval how far it is.
var errNoProgress = errors.New("no progress")

// errLeft says that the loop over the watch was left.
var errLeft = errors.New("loop left")

// most is how many responses one update combines.
const most = 100

// A watch is one loop over [Engine.Watch].
type watch struct {
	engine   *Engine
	keys     keyRange
	progress time.Duration // how often to yield a mark; 0 for never
	yield    func(engine.Update, error) bool
	stream   *stream

	since     int64     // the revision of the reset: changes up to it were part of that
	delivered int64     // every change up to this revision has been taken from the stream
	open      []proof   // those that the stream has not reached yet, oldest first
	seen      time.Time // asOf of the latest proof that was taken
	deadline  time.Time // when the lack of marks ends the watch

	failed error // why the last read of the prover failed; guarded by mu
	mu     sync.Mutex
}

// Watch opens the stream before it reads the state, so that nothing falls between them, and because a stream that has to
// begin in the past is served from a slower queue in the server, up to 100 ms behind.
//
// It ends with an error when the connection breaks, when the member has no leader, when the history it needs was compacted, and
// after three times o.Progress without a mark. The next call may reach another member.
func (e *Engine) Watch(ctx context.Context, o engine.WatchOptions) iter.Seq2[engine.Update, error] {
	return func(yield func(engine.Update, error) bool) {
		w := &watch{engine: e, keys: prefixed(o.Prefix), progress: o.Progress, yield: yield}
		err := w.run(ctx)
		if ctx.Err() == nil && !errors.Is(err, errLeft) {
			yield(engine.Update{}, fmt.Errorf("watch %s: %w", o.Prefix, err))
		}
	}
}

// run ends with every goroutine that it started.
func (w *watch) run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer stop(nil)

	state, err := w.begin(ctx, stop, &group)
	if err == nil {
		err = w.hand(state)
	}
	if err == nil {
		if w.progress > 0 {
			group.Go(func() { w.prove(ctx) })
		}
		err = w.follow(ctx)
	}
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}

// begin opens the stream and reads the state, in no more time than the watch may be without a mark.
func (w *watch) begin(ctx context.Context, stop context.CancelCauseFunc, group *sync.WaitGroup) (engine.Update, error) {
	if w.progress > 0 {
		defer time.AfterFunc(w.limit(), func() { stop(errNoProgress) }).Stop()
	}
	return w.reset(ctx, group)
}

func (w *watch) reset(ctx context.Context, group *sync.WaitGroup) (engine.Update, error) {
	e := w.engine
	if _, err := e.store.ask(); err != nil {
		return engine.Update{}, err
	}
	e.reconnect()
	created, err := w.start(ctx, group)
	if err != nil {
		return engine.Update{}, err
	}
	if err := e.store.heard(created.Header); err != nil {
		return engine.Update{}, err
	}
	changes, state, err := e.read(ctx, w.overdue(), w.keys)
	if err != nil {
		return engine.Update{}, err
	}
	e.readable.Store(&w.keys.key)
	e.store.prove(state)
	w.since, w.delivered, w.seen = state.revision, state.revision, state.asOf
	update := engine.Update{Reset: true, Changes: changes}
	if w.progress > 0 {
		update.AsOf = state.asOf
	}
	return update, nil
}

// start opens the stream, and others beside it while nothing is heard of it. The first of which something is heard lives as
// long as ctx.
func (w *watch) start(ctx context.Context, group *sync.WaitGroup) (*pb.WatchResponse, error) {
	var taken atomic.Bool
	return insist(ctx, w.overdue(), func(attempt context.Context) (*pb.WatchResponse, error) {
		life, end := context.WithCancel(ctx)
		keep := context.AfterFunc(attempt, end)
		s, err := openStream(life, w.engine.watcher, w.keys)
		if err != nil {
			return nil, err
		}
		group.Go(func() { s.receive(life) })
		created, err := s.next()
		switch {
		case err != nil:
			return nil, err
		case !taken.CompareAndSwap(false, true):
			<-attempt.Done() // the answer is another's
			return nil, attempt.Err()
		case !keep():
			return nil, attempt.Err()
		}
		w.stream = s
		return created, nil
	})
}

// follow yields what the stream brings, and marks.
func (w *watch) follow(ctx context.Context) error {
	var tick <-chan time.Time
	if w.progress > 0 {
		ticker := time.NewTicker(w.patience())
		defer ticker.Stop()
		tick = ticker.C
	}
	for {
		proven, err := w.takeProof()
		if err != nil {
			return err
		}
		if at := w.reached(); !at.IsZero() {
			if err := w.hand(engine.Update{AsOf: at}); err != nil {
				return err
			}
		}
		select {
		case resp, ok := <-w.stream.responses:
			if !ok {
				return w.stream.err
			}
			if err := w.collect(resp); err != nil {
				return err
			}
		case <-proven:
		case now := <-tick:
			if err := w.hurry(now); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// collect combines the responses that are here already, and yields them. An error among them is yielded after what came
// before it.
func (w *watch) collect(resp *pb.WatchResponse) error {
	var update engine.Update
	err := w.take(&update, resp)
	for n := 1; err == nil && n < most; n++ {
		more := w.stream.ready()
		if more == nil {
			break
		}
		err = w.take(&update, more)
	}
	update.AsOf = w.reached()
	if len(update.Changes) > 0 || !update.AsOf.IsZero() {
		err = errors.Join(w.hand(update), err)
	}
	return err
}

// take adds what one response says. Its own revision counts only where it has no events: an answer to a watch that had been
// behind names the revision of the store, and holds only part of what is up to there.
func (w *watch) take(update *engine.Update, resp *pb.WatchResponse) error {
	if err := refusal(resp); err != nil {
		return err
	}
	if err := w.engine.store.heard(resp.Header); err != nil {
		return err
	}
	if len(resp.Events) == 0 {
		w.delivered = max(w.delivered, resp.Header.Revision)
		return nil
	}
	for _, event := range resp.Events {
		if event.Kv.ModRevision > w.since {
			update.Changes = append(update.Changes, change(event))
		}
		w.delivered = max(w.delivered, event.Kv.ModRevision)
	}
	return nil
}

func change(event *mvccpb.Event) engine.Change {
	return engine.Change{Record: record(event.Kv), Deleted: event.Type == mvccpb.Event_DELETE}
}

// hand yields an update. The time that the reader takes for it is no lack of progress.
func (w *watch) hand(u engine.Update) error {
	begun := time.Now()
	if !w.yield(u, nil) {
		return errLeft
	}
	if u.AsOf.IsZero() {
		w.deadline = w.deadline.Add(time.Since(begun))
	} else {
		w.deadline = time.Now().Add(w.limit())
	}
	return nil
}
