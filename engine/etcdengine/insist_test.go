package etcdengine_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton/engine/etcdengine"
)

const patience = time.Second

// Of two connections that are taken in turn the first is dead, and others take turns too, whenever one more call could have done.
func TestCallsThatKeepStepWithOthersReachASoundConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*patience)
		defer cancel()
		var turns atomic.Int32
		begun := time.Now()
		err := etcdengine.Insist(ctx, patience, func(ctx context.Context) error {
			if turns.Add(1)%2 == 0 {
				return nil
			}
			time.AfterFunc(patience/2, func() { turns.Add(1) }) // somebody else's call
			<-ctx.Done()
			return ctx.Err()
		})
		if took := time.Since(begun); err != nil || took != patience {
			t.Errorf("answered after %v, with %v; want %v", took, err, patience)
		}
	})
}

func TestFirstAnswerCountsHoweverLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls, under atomic.Int32
		begun := time.Now()
		refused := errors.New("refused")
		err := etcdengine.Insist(t.Context(), patience, func(ctx context.Context) error {
			n := calls.Add(1)
			under.Add(1)
			defer under.Add(-1)
			select {
			case <-time.After(10 * patience): // so the first one is the first to answer
				if n == 1 {
					return refused
				}
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		if took := time.Since(begun); !errors.Is(err, refused) || took != 10*patience {
			t.Errorf("answered after %v, with %v", took, err)
		}
		// After 1, 3 and 7 times the patience.
		if calls.Load() != 7 || under.Load() != 0 {
			t.Errorf("%d calls, of which %d have not ended", calls.Load(), under.Load())
		}
	})
}

func TestCallThatNobodyAnswersEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
		defer cancel()
		var calls atomic.Int32
		err := etcdengine.Insist(ctx, patience, func(ctx context.Context) error {
			calls.Add(1)
			<-ctx.Done()
			return context.Cause(ctx)
		})
		if !errors.Is(err, context.DeadlineExceeded) || calls.Load() != 5 {
			t.Errorf("%v after %d calls", err, calls.Load())
		}
	})
}
