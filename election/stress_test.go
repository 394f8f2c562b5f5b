package election_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/singleton-go/singleton/election"
	"github.com/singleton-go/singleton/engine/ramengine"
)

// Everything that a process can do with elections, at once, on a store where sessions end and watches break: for the race
// detector, and for what is left behind.
func TestEverythingAtOnceLeavesNothingBehind(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		var members, all sync.WaitGroup
		for i := range 4 {
			m := join(t, store, fmt.Sprintf("m%d", i))
			s := &stress{member: m, ctx: ctx, rnd: rand.New(rand.NewPCG(uint64(i), 1))}
			for _, do := range []func(){s.lead, s.lead, s.enter, s.observe, s.wish, s.write, s.disturb} {
				members.Go(func() {
					for ctx.Err() == nil {
						do()
						time.Sleep(s.random(time.Second))
					}
				})
			}
			all.Go(func() {
				members.Wait()
				if err := m.Close(context.Background()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		time.Sleep(2 * ttl)
		if left := stored(t, store, ""); len(left) != 0 {
			t.Errorf("left in the store: %v", left)
		}
	})
}

type stress struct {
	*member
	ctx context.Context
	mu  sync.Mutex
	rnd *rand.Rand
}

func (s *stress) random(limit time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return 1 + time.Duration(s.rnd.Int64N(int64(limit)))
}

// election returns one of three.
func (s *stress) election() *election.Election {
	return election.New(s.Lease, fmt.Sprintf("e%d", s.random(3)), s.name, election.WithTakeoverDelay(s.random(2)-1))
}

func (s *stress) lead() {
	ctx, cancel := context.WithTimeout(s.ctx, s.random(10*time.Second))
	defer cancel()
	_ = s.election().Lead(ctx, func(ctx context.Context, term election.Term) error {
		select {
		case <-ctx.Done():
		case <-time.After(s.random(3 * time.Second)):
		}
		return term.Check()
	})
}

func (s *stress) enter() {
	c, err := s.election().Enter(s.ctx, func(t election.Term) { go func() { _ = t.Resign(s.ctx) }() })
	if errors.Is(err, election.ErrCandidate) {
		return
	}
	if err != nil {
		s.t.Error(err)
		return
	}
	time.Sleep(s.random(5 * time.Second))
	_ = c.Leave(s.ctx)
}

func (s *stress) observe() {
	ctx, cancel := context.WithTimeout(s.ctx, s.random(10*time.Second))
	defer cancel()
	for _, err := range s.election().Observe(ctx) {
		if err != nil {
			s.t.Error(err)
		}
	}
}

func (s *stress) wish() {
	ctx, cancel := context.WithTimeout(s.ctx, s.random(10*time.Second))
	defer cancel()
	w := election.Wish{}
	if s.random(2) == 1 {
		w.To = s.Session()
	}
	_ = s.election().Ask(ctx, w)
}

// write keeps two records, the second of which needs the first.
func (s *stress) write() {
	first, err := s.Record("/t/"+s.name, "1")
	if err != nil {
		s.t.Error(err)
		return
	}
	second, err := s.RecordAfter(first, "/t/"+s.name+"/x", "1")
	if err != nil {
		s.t.Error(err)
	} else {
		time.Sleep(s.random(3 * time.Second))
		second.Set("2")
		second.Leave(nil)
	}
	first.Leave(nil)
}

// disturb ends the session, or breaks the connection for a while.
func (s *stress) disturb() {
	switch s.random(4) {
	case 1:
		endSession(s.member)
	case 2:
		s.conn.BreakWatches(errors.New("broken"))
	case 3:
		heal := s.conn.Mute()
		time.Sleep(s.random(2 * time.Second))
		heal()
	}
	time.Sleep(s.random(20 * time.Second))
}
