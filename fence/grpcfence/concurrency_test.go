package grpcfence_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/singleton-go/singleton/fence"
	"github.com/singleton-go/singleton/fence/grpcfence"
)

const (
	clients = 8
	tries   = 100
)

// At the resource, accepted tokens never fall, and no two terms are there at once, whether they come by calls or by streams.
func TestAcceptedTokensNeverFall(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var highest uint64
	inside := map[uint64]int{}
	server := serve(t, nil, echo(func(ctx context.Context, _ string) (string, error) {
		term, _ := fence.TermFrom(ctx)
		token := term.Token()
		mu.Lock()
		if token < highest {
			t.Errorf("token %d accepted after %d", token, highest)
		}
		highest = token
		if inside[token]++; len(inside) > 1 {
			t.Errorf("several terms are inside together: %v", inside)
		}
		mu.Unlock()
		defer func() {
			mu.Lock()
			defer mu.Unlock()
			if inside[token]--; inside[token] == 0 {
				delete(inside, token)
			}
		}()
		return "", nil
	}))
	cc := server.dial(t, grpcfence.DialOptions(nil)...)
	var all sync.WaitGroup
	var next, accepted, refused atomic.Uint64
	for i := range clients {
		way := ways["unary"]
		if i%2 == 0 {
			way = ways["stream"]
		}
		all.Go(func() {
			for range tries {
				token := max(1, next.Add(rand.Uint64N(2))+2-rand.Uint64N(3))
				_, err := way(fence.WithTerm(t.Context(), term(token)), t, cc, "")
				switch stale, ok := errors.AsType[*fence.StaleError](err); {
				case ok && (stale.Token != token || stale.Newest <= token):
					t.Errorf("token %d: %v", token, err)
				case ok:
					refused.Add(1)
				case err == nil:
					accepted.Add(1)
				default:
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if accepted.Load() == 0 || refused.Load() == 0 {
		t.Errorf("%d accepted, %d refused: this tested nothing", accepted.Load(), refused.Load())
	}
}
