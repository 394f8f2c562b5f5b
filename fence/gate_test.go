package fence_test

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/singleton-go/singleton/fence"
)

func TestGateRefusesAnOlderTerm(t *testing.T) {
	t.Parallel()
	var gate fence.Gate
	var accepted []uint64
	try := func(resource, election string, token uint64) error {
		return gate.Do(t.Context(), resource, fence.NewTerm(election, token), func(context.Context) error {
			accepted = append(accepted, token)
			return nil
		})
	}
	for _, token := range []uint64{7, 9, 9} {
		if err := try("invoices", election, token); err != nil {
			t.Errorf("token %d: %v", token, err)
		}
	}
	var stale *fence.StaleError
	if err := try("invoices", election, 7); !errors.As(err, &stale) || stale.Token != 7 || stale.Newest != 9 {
		t.Errorf("token 7 after 9: %v", err)
	}
	if err := try("invoices", "worker/other", 1); err != nil {
		t.Errorf("another election: %v", err)
	}
	if err := try("orders", election, 1); err != nil {
		t.Errorf("another resource: %v", err)
	}
	if err := try("invoices", election, 0); !errors.Is(err, fence.ErrInvalid) {
		t.Errorf("token 0: %v", err)
	}
	if err := try("", election, 9); !errors.Is(err, fence.ErrInvalid) {
		t.Errorf("no resource: %v", err)
	}
	if err := gate.Do(t.Context(), "invoices", nil, func(context.Context) error { return nil }); !errors.Is(err, fence.ErrNoTerm) {
		t.Errorf("no term: %v", err)
	}
	if want := []uint64{7, 9, 9, 1, 1}; !slices.Equal(accepted, want) {
		t.Errorf("effects of %v, want %v", accepted, want)
	}
}

func TestGateReturnsWhatTheEffectReturns(t *testing.T) {
	t.Parallel()
	var gate fence.Gate
	failure := errors.New("disk full")
	err := gate.Do(t.Context(), "r", fence.NewTerm(election, 1), func(context.Context) error { return failure })
	if !errors.Is(err, failure) {
		t.Errorf("got %v", err)
	}
}

// A newer term interrupts the effects of an older one, waits for them, and is known as newer while it waits.
func TestGateLetsTheOlderEndBeforeTheNewerBegins(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var gate fence.Gate
		old, newer := fence.NewTerm(election, 7), fence.NewTerm(election, 9)
		var events []string
		goOn := make(chan struct{})
		var all sync.WaitGroup
		for range 2 { // of one term several may be inside
			all.Go(func() {
				if err := gate.Do(t.Context(), "r", old, func(ctx context.Context) error {
					<-ctx.Done()
					var stale *fence.StaleError
					if !errors.As(context.Cause(ctx), &stale) || stale.Token != 7 || stale.Newest != 9 {
						t.Errorf("cause %v", context.Cause(ctx))
					}
					<-goOn
					events = append(events, "old ends")
					return nil
				}); err != nil {
					t.Errorf("interrupted effect: %v", err)
				}
			})
			synctest.Wait()
		}
		all.Go(func() {
			if err := gate.Do(t.Context(), "r", newer, func(ctx context.Context) error {
				events = append(events, "newer begins")
				return ctx.Err()
			}); err != nil {
				t.Errorf("newer: %v", err)
			}
		})
		synctest.Wait()
		if err := gate.Do(t.Context(), "r", old, nil); !errors.Is(err, fence.ErrStale) {
			t.Errorf("old one while a newer one waits: %v", err)
		}
		goOn <- struct{}{}
		synctest.Wait()
		if len(events) != 1 {
			t.Errorf("events after one of two ended: %v", events)
		}
		goOn <- struct{}{}
		all.Wait()
		if want := []string{"old ends", "old ends", "newer begins"}; !slices.Equal(events, want) {
			t.Errorf("events %v, want %v", events, want)
		}
	})
}

// A term that waits is refused as soon as a newer one comes, and a wait ends with its context.
func TestGateEndsAWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var gate fence.Gate
		release := make(chan struct{})
		var all sync.WaitGroup
		all.Go(func() {
			_ = gate.Do(t.Context(), "r", fence.NewTerm(election, 7), func(context.Context) error { <-release; return nil })
		})
		synctest.Wait()
		results := make(chan error, 2)
		all.Go(func() { results <- gate.Do(t.Context(), "r", fence.NewTerm(election, 8), nil) })
		synctest.Wait()
		why := errors.New("client went away")
		ctx, cancel := context.WithCancelCause(t.Context())
		all.Go(func() { results <- gate.Do(ctx, "r", fence.NewTerm(election, 9), nil) })
		synctest.Wait()
		if err := <-results; !errors.Is(err, fence.ErrStale) {
			t.Errorf("8, waiting while 9 came: %v", err)
		}
		cancel(why)
		if err := <-results; !errors.Is(err, why) {
			t.Errorf("9, whose context ended: %v", err)
		}
		close(release)
		all.Wait()
	})
}

func TestGateIsFreedByAPanic(t *testing.T) {
	t.Parallel()
	var gate fence.Gate
	func() {
		defer func() { _ = recover() }()
		_ = gate.Do(t.Context(), "r", fence.NewTerm(election, 7), func(context.Context) error { panic("boom") })
	}()
	if err := gate.Do(t.Context(), "r", fence.NewTerm(election, 8), func(context.Context) error { return nil }); err != nil {
		t.Error(err)
	}
}

func TestGateResetLetsLowerTokensIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var gate fence.Gate
		quiet := slog.New(slog.DiscardHandler)
		var ended atomic.Bool
		var all sync.WaitGroup
		all.Go(func() {
			_ = gate.Do(t.Context(), "r", fence.NewTerm(election, 9), func(ctx context.Context) error {
				<-ctx.Done()
				ended.Store(true)
				return nil
			})
		})
		synctest.Wait()
		if err := gate.Reset(t.Context(), fence.Reset{Resource: "r", Election: election, Reason: "test", Logger: quiet}); err != nil {
			t.Fatal(err)
		}
		if err := gate.Do(t.Context(), "r", fence.NewTerm(election, 3), func(context.Context) error {
			if !ended.Load() {
				t.Error("token 3 is inside together with token 9")
			}
			return nil
		}); err != nil {
			t.Errorf("after the reset: %v", err)
		}
		if err := gate.Do(t.Context(), "r", fence.NewTerm(election, 2), nil); !errors.Is(err, fence.ErrStale) {
			t.Errorf("the rule holds no more after a reset: %v", err)
		}
		if err := gate.Reset(t.Context(), fence.Reset{Resource: "r", Election: election}); !errors.Is(err, fence.ErrInvalid) {
			t.Errorf("reset without a reason: %v", err)
		}
		all.Wait()
	})
}

// Accepted tokens never fall at the resource, and two terms are never inside at once.
func TestGateUnderConcurrency(t *testing.T) {
	t.Parallel()
	var gate fence.Gate
	var next, accepted, refused atomic.Uint64
	var mu sync.Mutex // effects of one term run at the same time
	var highest uint64
	inside := map[uint64]int{}
	effect := func(token uint64) {
		mu.Lock()
		if token < highest {
			t.Errorf("token %d accepted after %d", token, highest)
		}
		highest = token
		if inside[token]++; len(inside) > 1 {
			t.Errorf("several terms are inside together: %v", inside)
		}
		mu.Unlock()
		runtime.Gosched()
		mu.Lock()
		if inside[token]--; inside[token] == 0 {
			delete(inside, token)
		}
		mu.Unlock()
	}
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 500 {
				token := 1 + rand.Uint64N(next.Load()+1)
				if rand.IntN(10) == 0 {
					token = next.Add(1)
				}
				err := gate.Do(t.Context(), "r", fence.NewTerm(election, token), func(context.Context) error {
					effect(token)
					accepted.Add(1)
					return nil
				})
				switch {
				case errors.Is(err, fence.ErrStale):
					refused.Add(1)
				case err != nil:
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
