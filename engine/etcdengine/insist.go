package etcdengine

import (
	"context"
	"sync"
	"time"
)

// A client balances its calls over the connections to all members, and one of these may have died without a word: the machine
// is gone, and nobody closed it. Without keepalive it is used on and on. So what may be repeated is sent again when its
// answer is overdue, and fails only where none answers.
//
// Connections are taken in turn, and others take turns too. A single call that is sent again could fall on the same connection
// each time, as it did where a read kept step with the renewals. So two are sent at once, which are neighbours in that order.

const (
	// shares is how many times the first patience fits into the time of a call: for the first attempt, twice as long for the
	// second, and one that is left for the answers to the third.
	shares = 4

	// overdueAfter is how long the first answer may take where nothing bounds the call.
	overdueAfter = time.Second
)

// insist makes a call that is harmless to repeat. When its answer is overdue it makes the call twice more beside it, and so again
// whenever twice as long has passed as before. The first answer counts, so a store that is merely slow has the whole time to
// answer. The context of the calls ends with insist, and then their end is waited for.
func insist[T any](ctx context.Context, patience time.Duration, call func(context.Context) (T, error)) (value T, err error) {
	ctx, stop := context.WithCancel(ctx)
	var calls sync.WaitGroup
	defer calls.Wait()
	defer stop()
	var first sync.Once
	answered := make(chan struct{})
	send := func() {
		v, e := call(ctx)
		first.Do(func() {
			value, err = v, e
			close(answered)
		})
	}
	calls.Go(send)
	overdue := time.NewTimer(patience)
	defer overdue.Stop()
	for {
		select {
		case <-answered:
			return value, err
		case <-overdue.C:
			calls.Go(send)
			calls.Go(send)
			patience *= 2
			overdue.Reset(patience)
		}
	}
}

// patienceOf is how long to wait for the first answer to a call that ends with ctx.
func patienceOf(ctx context.Context) time.Duration {
	end, bounded := ctx.Deadline()
	if !bounded {
		return overdueAfter
	}
	return max(time.Until(end)/shares, time.Millisecond)
}
