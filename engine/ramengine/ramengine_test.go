package ramengine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/ramengine"
)

const ttl = 10 * time.Second

func open(t *testing.T, e engine.Engine) engine.Session {
	t.Helper()
	s, err := e.Open(t.Context(), engine.SessionOptions{TTL: ttl})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func create(t *testing.T, s engine.Session, key string) engine.Record {
	t.Helper()
	r, err := s.Create(t.Context(), key, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// goneAfter returns how long it takes until a watch sees the first deletion.
func goneAfter(t *testing.T, e engine.Engine) time.Duration {
	t.Helper()
	start := time.Now()
	for u, err := range e.Watch(t.Context(), engine.WatchOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		if !u.Reset && u.Changes[0].Deleted {
			break
		}
	}
	return time.Since(start)
}

func TestExpiryComesExactlyAtTTL(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := ramengine.New()
		create(t, open(t, e), "a")
		if after := goneAfter(t, e); after != ttl {
			t.Errorf("the record vanished after %v, want exactly %v", after, ttl)
		}
	})
}

func TestRenewalMovesTheDeadlineOfAWatchThatSleeps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := ramengine.New()
		s := open(t, e)
		create(t, s, "a")
		time.AfterFunc(7*time.Second, func() {
			if err := s.Renew(t.Context()); err != nil {
				t.Error(err)
			}
		})
		if after := goneAfter(t, e); after != 7*time.Second+ttl {
			t.Errorf("the record vanished after %v, want one TTL after its renewal at 7s", after)
		}
	})
}

func TestShorterSessionWakesAWatchThatSleepsLonger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := ramengine.New()
		open(t, e)
		time.AfterFunc(time.Second, func() {
			s, err := e.Open(t.Context(), engine.SessionOptions{TTL: 2 * time.Second})
			if err == nil {
				_, err = s.Create(t.Context(), "a", nil)
			}
			if err != nil {
				t.Error(err)
			}
		})
		if after := goneAfter(t, e); after != 3*time.Second {
			t.Errorf("the record vanished after %v, want 3s", after)
		}
	})
}

func TestFastAndSlowClocks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rate float64
		want time.Duration
	}{{1.25, 8 * time.Second}, {0.5, 20 * time.Second}} {
		t.Run(fmt.Sprint(c.rate), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e, err := ramengine.NewWith(ramengine.Options{ClockRate: c.rate})
				if err != nil {
					t.Fatal(err)
				}
				create(t, open(t, e), "a")
				if after := goneAfter(t, e); after != c.want {
					t.Errorf("the record vanished after %v, want %v", after, c.want)
				}
			})
		})
	}
}

func TestRefusesAClockThatStandsOrRunsBack(t *testing.T) {
	t.Parallel()
	if _, err := ramengine.NewWith(ramengine.Options{ClockRate: -1}); err == nil {
		t.Error("ClockRate -1 was accepted")
	}
}

func TestRefusesWhatItCannotServe(t *testing.T) {
	t.Parallel()
	e := ramengine.New()
	if _, err := e.Open(t.Context(), engine.SessionOptions{}); err == nil {
		t.Error("TTL 0 was accepted")
	}
	s := open(t, e)
	for _, key := range []string{"", string(make([]byte, 1025)), "\xff"} {
		if _, err := s.Create(t.Context(), key, nil); err == nil {
			t.Errorf("the key %.10q of %d bytes was accepted", key, len(key))
		}
	}
	if _, err := s.Create(t.Context(), "a", make([]byte, 1<<20+1)); err == nil {
		t.Error("a value of more than 1 MiB was accepted")
	}
}

func TestCreatedCountsFromTheWallClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := uint64(time.Now().UnixMicro())
		e := ramengine.New()
		s := open(t, e)
		for i := range uint64(3) {
			if r := create(t, s, fmt.Sprint(i)); r.Created != start+i+1 {
				t.Errorf("record %d has Created %d, want %d", i, r.Created, start+i+1)
			}
		}
		e.Rewind()
		if r := create(t, open(t, e.Connect()), "0"); r.Created <= start+3 {
			t.Errorf("after a rewind Created fell to %d", r.Created)
		}
	})
}

func TestRewindEndsWatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := ramengine.New()
		var last error
		for _, err := range e.Watch(t.Context(), engine.WatchOptions{}) {
			last = err
			e.Rewind()
		}
		if !errors.Is(last, engine.ErrRewound) {
			t.Errorf("the watch ended with %v, want ErrRewound", last)
		}
	})
}

func TestStoreForgetsAWatchThatHasEnded(t *testing.T) {
	t.Parallel()
	e := ramengine.New()
	for _, err := range e.Watch(t.Context(), engine.WatchOptions{}) {
		if n := e.Watchers(); err != nil || n != 1 {
			t.Errorf("%d watches are open, want 1 (%v)", n, err)
		}
		break
	}
	if n := e.Watchers(); n != 0 {
		t.Errorf("%d watches are open, want none", n)
	}
}

func TestReaderThatFallsFarBehindIsGivenTheState(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := ramengine.New()
		s := open(t, e)
		resets := 0
		for u, err := range e.Watch(t.Context(), engine.WatchOptions{}) {
			if err != nil {
				t.Fatal(err)
			}
			if u.Reset {
				resets++
			}
			if resets == 2 {
				if len(u.Changes) != 1 || u.Changes[0].Record.Key != "last" {
					t.Errorf("the second reset holds %v, want the last record alone", u.Changes)
				}
				break
			}
			for range 2000 {
				if err := s.Delete(t.Context(), create(t, s, "a")); err != nil {
					t.Fatal(err)
				}
			}
			create(t, s, "last")
		}
	})
}

func TestTenThousandElectionsAreOneUpdate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n = 10_000
		e := ramengine.New()
		s := open(t, e)
		for i := range n {
			create(t, s, fmt.Sprintf("election/%d/%s", i, s.ID()))
		}
		var sizes []int
		ctx, cancel := context.WithTimeout(t.Context(), 2*ttl)
		defer cancel()
		for u, err := range e.Watch(ctx, engine.WatchOptions{Prefix: "election/"}) {
			if err != nil {
				t.Fatal(err)
			}
			sizes = append(sizes, len(u.Changes))
		}
		if fmt.Sprint(sizes) != fmt.Sprint([]int{n, n}) {
			t.Errorf("updates of %v changes, want one reset and one expiry of %d each", sizes, n)
		}
	})
}
