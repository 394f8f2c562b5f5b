package etcdfencetest_test

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/singleton-go/singleton/fence"
	"github.com/singleton-go/singleton/fence/etcdfence"
)

const (
	writers = 16
	tries   = 40
)

// Many write with rising and stale tokens, from a resource's first use on. etcd's history says in which order it let them.
func TestAcceptedTokensNeverFall(t *testing.T) {
	t.Parallel()
	kv, name := fresh()
	var next, accepted, refused atomic.Uint64
	start := make(chan struct{})
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			<-start
			for range tries {
				token := max(1, next.Add(rand.Uint64N(2))+2-rand.Uint64N(3))
				_, err := etcdfence.Txn(t.Context(), kv, term(token), "r").
					Then(clientv3.OpPut("effect", strconv.FormatUint(token, 10))).
					Commit()
				switch {
				case err == nil:
					accepted.Add(1)
				case errors.Is(err, fence.ErrStale):
					refused.Add(1)
				default:
					t.Error(err)
				}
			}
		})
	}
	close(start)
	all.Wait()
	if accepted.Load() == 0 || refused.Load() == 0 {
		t.Errorf("%d accepted, %d refused: this tested nothing", accepted.Load(), refused.Load())
	}
	checkHistory(t, name+"effect", accepted.Load())
}

// checkHistory wants so many effects, and their tokens never falling.
func checkHistory(t *testing.T, key string, effects uint64) {
	t.Helper()
	var seen, highest uint64
	for answer := range client.Watch(t.Context(), key, clientv3.WithRev(1)) {
		if err := answer.Err(); err != nil {
			t.Fatal(err)
		}
		for _, event := range answer.Events {
			token, err := strconv.ParseUint(string(event.Kv.Value), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			if token < highest {
				t.Errorf("token %d was accepted after %d", token, highest)
			}
			highest = token
			seen++
		}
		if seen >= effects {
			break
		}
	}
	if seen != effects {
		t.Errorf("%d effects of %d accepted tries", seen, effects)
	}
}
