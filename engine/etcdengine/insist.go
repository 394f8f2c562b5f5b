package etcdengine

import (
	"context"
	"sync"
	"time"
)

// A client balances its calls over the connections to all members, and one of these may have died without a word: the machine
// is gone, and nobody closed it. Without keepalive it is used on and on. So what may be repeated is sent again when its
// answer is overdue, which takes the next connection, and fails only where none answers.

const (
	// mostAttempts is how often one request is sent at most.
	mostAttempts = 4

	// overdueAfter is how long an answer may take where no context bounds the call.
	overdueAfter = time.Second
)

// insist makes a call that is harmless to repeat, and makes it again beside itself when its answer is overdue. The first answer
// counts, so a store that is merely slow has the whole time to answer.
func insist[T any](ctx context.Context, call func(context.Context) (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, mostAttempts)
	overdue := time.NewTicker(patienceOf(ctx))
	defer overdue.Stop()
	ctx, stop := context.WithCancel(ctx)
	var calls sync.WaitGroup
	defer calls.Wait()
	defer stop()
	for sent := 0; ; {
		if sent < mostAttempts {
			sent++
			calls.Go(func() {
				value, err := call(ctx)
				answers <- answer{value, err}
			})
		}
		select {
		case a := <-answers:
			return a.value, a.err
		case <-overdue.C:
		}
	}
}

// patienceOf is how long to wait for one attempt, so that all have their turn before ctx ends.
func patienceOf(ctx context.Context) time.Duration {
	end, bounded := ctx.Deadline()
	if !bounded {
		return overdueAfter
	}
	return max(time.Until(end)/mostAttempts, time.Millisecond)
}
