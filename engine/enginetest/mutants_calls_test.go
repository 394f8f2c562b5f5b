package enginetest_test

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/singleton-go/singleton/engine"
)

var callMutants = []mutant{
	{name: "an ended context is a lost session", fails: "a call whose context has ended returns at once and decides nothing", wrong: func() wrong {
		return wrong{session: &wrongSession{renew: func(ctx context.Context, s engine.Session) error {
			if ctx.Err() != nil {
				return engine.ErrLost
			}
			return s.Renew(ctx)
		}}}
	}},
	{name: "a renewal without an answer is a lost session", fails: "a call that is cut off returns when its context ends and decides nothing", wrong: func() wrong {
		return wrong{session: &wrongSession{renew: func(ctx context.Context, s engine.Session) error {
			if err := s.Renew(ctx); err != nil {
				return engine.ErrLost
			}
			return nil
		}}}
	}},
	{name: "Open does not hear of the end of its context", fails: "a call that is cut off returns when its context ends and decides nothing", wrong: func() wrong {
		return wrong{open: func(ctx context.Context, e engine.Engine, o engine.SessionOptions) (engine.Session, error) {
			return e.Open(context.WithoutCancel(ctx), o)
		}}
	}},
	{name: "Delete counts as done when it was sent", fails: "a call that is cut off returns when its context ends and decides nothing", wrong: func() wrong {
		return wrong{session: &wrongSession{remove: func(ctx context.Context, s engine.Session, r engine.Record) error {
			s.Delete(ctx, r) //nolint:errcheck // this is the fault
			return nil
		}}}
	}},
	{name: "one call at a time", fails: "all methods may be called at the same time", wrong: func() wrong {
		busy := make(chan struct{}, 1)
		return wrong{session: &wrongSession{replace: func(ctx context.Context, s engine.Session, r engine.Record, value []byte) (engine.Record, error) {
			select {
			case busy <- struct{}{}:
				defer func() { <-busy }()
			default:
				return engine.Record{}, errors.New("another call is under way")
			}
			pause, cancel := context.WithTimeout(ctx, time.Millisecond)
			defer cancel()
			<-pause.Done()
			return s.Replace(ctx, r, value)
		}}}
	}},
	{name: "each watch leaves a goroutine", fails: "no call and no watch leaves a goroutine behind", realTime: true, wrong: func() wrong {
		return wrong{watch: func(ctx context.Context, e engine.Engine, o engine.WatchOptions) iter.Seq2[engine.Update, error] {
			go func() { select {} }()
			return e.Watch(ctx, o)
		}}
	}},
}
