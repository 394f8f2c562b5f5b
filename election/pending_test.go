package election_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton/election"
	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/ramengine"
)

func TestWishBesideAnotherProcesssIsAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := ramengine.New()
		s, err := store.Open(t.Context(), engine.SessionOptions{TTL: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		for key, value := range map[string]string{"election//t/singleton/m/1": "leader", "election//t/wish/m/ask": "{}"} {
			if _, err := s.Create(t.Context(), key, []byte(value)); err != nil {
				t.Fatal(err)
			}
		}
		l := closeAfter(t, startLease(t, store.Connect(), "asker"))
		begun := time.Now()
		err = election.New(l, "m", "asker").Ask(t.Context(), election.Wish{})
		if waited := time.Since(begun); !errors.Is(err, election.ErrPending) || waited > time.Second {
			t.Errorf("after %v: %v, want %v at once", waited, err, election.ErrPending)
		}
	})
}
