package lease_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/enginetest"
	"github.com/singleton-go/singleton/engine/ramengine"
	"github.com/singleton-go/singleton/internal/lease"
)

func TestCloseEndsHoldsAndWaitsForTheirOwners(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := join(t, store)
		a, b := p.lead("a"), p.lead("b")
		must(t)(p.Record("/t/a", "1"))
		waits := p.candidate("c")
		synctest.Wait()
		closed := p.close(context.Background())
		second := p.close(context.Background())
		a.mustEnd(0, lease.ErrClosed)
		b.mustEnd(0, lease.ErrClosed)
		p.until(time.Minute)
		select {
		case err := <-closed:
			t.Errorf("Close returned %v with two holds that were not left", err)
		case err := <-second:
			t.Errorf("the second Close returned %v before the first", err)
		case <-a.Gone():
			t.Error("a claim is gone that was not left")
		default:
		}
		mustHave(t, store, "", p.queue("a"), p.queue("b"), "/t/a") // renewed on: the runners drain
		if err := waits.Err(); !errors.Is(err, lease.ErrClosed) {
			t.Errorf("the claim that waited ended with %v, want %v", err, lease.ErrClosed)
		}
		<-waits.Gone()
		if _, err := p.Record("/t/b", "1"); !errors.Is(err, lease.ErrClosed) {
			t.Errorf("a new claim: error %v, want %v", err, lease.ErrClosed)
		}
		a.Leave(nil)
		<-a.Gone()
		mustHave(t, store, "", p.queue("b"), "/t/a")
		b.Leave(nil)
		if err := errors.Join(<-closed, <-second); err != nil {
			t.Error(err)
		}
		if got := time.Since(p.start); got != time.Minute {
			t.Errorf("it took until %v", got)
		}
		mustHave(t, store, "")
	})
}

// close closes the lease in the background.
func (p *process) close(ctx context.Context) <-chan error {
	done := make(chan error, 1)
	go func() { done <- p.Close(ctx) }()
	synctest.Wait()
	return done
}

func TestCloseEndsTheCandidacyThatWaitsForTheOneBeforeIt(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := join(t, store)
		stuck, first := p.lead("a"), p.candidate("b")
		synctest.Wait()
		heal := p.conn.Cut()
		first.Leave(nil)
		second := p.candidate("b")
		closed := p.close(context.Background())
		<-second.Gone()
		if err := second.Err(); !errors.Is(err, lease.ErrClosed) {
			t.Errorf("error %v, want %v", err, lease.ErrClosed)
		}
		heal()
		<-first.Gone()
		p.until(time.Minute)
		mustHave(t, store, "election", p.queue("a"))
		stuck.Leave(nil)
		if err := <-closed; err != nil {
			t.Error(err)
		}
	})
}

func TestCloseThatRunsOutOfTimeLeavesTheSessionToExpire(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := join(t, store)
		stuck, other := p.lead("stuck"), p.candidate("other")
		synctest.Wait()
		id := p.Session()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := p.Close(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "stuck") {
			t.Errorf("error %v, want one that names the election and the end of the context", err)
		}
		<-stuck.Gone()
		<-other.Gone()
		stuck.mustHaveEnded(lease.ErrClosed)
		mustHave(t, store, "election", "election//t/singleton/stuck/"+id)
		p.until(9 * time.Second)
		mustHave(t, store, "election", "election//t/singleton/stuck/"+id)
		stuck.Leave(nil)
		p.until(11 * time.Second)
		mustHave(t, store, "election")
		if err := p.Close(ctx); err != nil {
			t.Errorf("a second Close returned %v", err)
		}
	})
}

func TestCloseEndsTheSessionAlsoWhenItsContextHasEnded(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := join(t, store)
		p.candidate("m")
		must(t)(p.Record("/t/a", "1"))
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := p.Close(ctx); err != nil {
			t.Error(err)
		}
		mustHave(t, store, "")
	})
}

func TestCloseIsBoundedWhenCutOff(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := join(t, store)
		h := p.lead("m")
		p.candidate("other")
		defer p.conn.Cut()()
		h.Leave(nil)
		err := p.Close(context.Background())
		if took := time.Since(p.start); err == nil || took > deadline {
			t.Errorf("Close returned %v after %v, want an error within %v", err, took, deadline)
		}
	})
}

func TestCloseInTheMiddleOfEverythingLeavesNoGoroutine(t *testing.T) {
	t.Parallel()
	for name, fate := range map[string]fates{
		"of the opening":      {enginetest.OpOpen: {Reply: slow}},
		"of a lost opening":   {enginetest.OpOpen: {Dropped: true}},
		"of a refused one":    {enginetest.OpOpen: {Refuse: errors.New("no")}},
		"of creations":        {enginetest.OpCreate: {Reply: slow}},
		"of refused ones":     {enginetest.OpCreate: {Refuse: errors.New("no")}},
		"of a renewal":        {enginetest.OpRenew: {Request: slow}},
		"of a lost renewal":   {enginetest.OpRenew: {Dropped: true}},
		"of opening a watch":  {enginetest.OpWatch: {Dropped: true}},
		"of a watch's update": {enginetest.OpUpdate: {Dropped: true}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *ramengine.Engine) {
				for at := time.Duration(0); at < 4*time.Second; at += time.Second / 4 {
					p := join(t, store)
					p.doom(fate.decide)
					c := p.candidate("m")
					must(t)(p.Record("/t/a", "1"))
					p.until(at)
					if at%2 == 0 {
						c.Leave(nil)
					}
					err := p.Close(context.Background())
					if took := time.Since(p.start) - at; err != nil || took > 2*deadline {
						t.Errorf("Close at %v returned %v after %v", at, err, took)
					}
					<-c.Gone()
				}
			})
		})
	}
}

// answeredLate is an engine whose answer to Open comes when nobody waits for it any more.
type answeredLate struct{ engine.Engine }

func (e answeredLate) Open(ctx context.Context, o engine.SessionOptions) (engine.Session, error) {
	s, err := e.Engine.Open(ctx, o)
	<-ctx.Done()
	return s, err
}

func TestSessionThatIsOpenedWhileTheLeaseIsClosedIsClosedToo(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		watched := &closings{Engine: store.Connect()}
		p := joinWith(t, store, lease.Config{Engine: answeredLate{watched}})
		must(t)(p.Record("/t/a", "1"))
		synctest.Wait()
		if err := p.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if opened, closed := watched.opened.Load(), watched.closed.Load(); p.Session() != "" || opened == 0 || opened != closed {
			t.Errorf("session %q after Close; %d were opened and %d closed", p.Session(), opened, closed)
		}
	})
}

// closings counts sessions that are opened and closed.
type closings struct {
	engine.Engine
	opened, closed atomic.Int64
}

func (c *closings) Open(ctx context.Context, o engine.SessionOptions) (engine.Session, error) {
	s, err := c.Engine.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	c.opened.Add(1)
	return &closing{s, c}, nil
}

type closing struct {
	engine.Session
	of *closings
}

func (s *closing) Close(ctx context.Context) error {
	s.of.closed.Add(1)
	return s.Session.Close(ctx)
}

// A creation that came through without an answer leaves a record; it is deleted when its claim is left, also in doubt.
func TestRecordOfAClaimThatIsLeftInDoubtIsDeletedAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := join(t, store)
		p.doomAll(enginetest.Fate{Fail: errors.New("late")}, enginetest.OpCreate, enginetest.OpRenew)
		c := p.candidate("m")
		p.until(5 * time.Second)
		mustHave(t, store, "", p.queue("m"))
		c.Leave(nil)
		p.until(6 * time.Second)
		mustHave(t, store, "")
		select {
		case <-c.Gone():
		default:
			t.Error("the claim is not gone")
		}
	})
}
