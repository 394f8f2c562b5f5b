package lease_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/enginetest"
	"github.com/singleton-go/singleton/engine/ramengine"
	"github.com/singleton-go/singleton/internal/lease"
)

func TestStoreThatWentBackParksTheProcessAndNobodyLeads(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		notice func(p *process)
		at     time.Duration
	}{
		"noticed by the watch":  {nil, time.Second},
		"noticed by a renewal":  {func(*process) {}, renewal},
		"noticed by a creation": {func(p *process) { must(p.t)(p.Record("/t/a", "1")) }, time.Second},
		"noticed by an answer":  {func(p *process) { p.AnswerWish("m", lease.Entry{}, "", func(error) {}) }, time.Second},
		"noticed once only": {func(p *process) { // a store that seems to be sound again, and is not
			p.doomAll(enginetest.Fate{Fail: engine.ErrRewound}, enginetest.OpRenew)
		}, renewal},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *ramengine.Engine) {
				p := join(t, store)
				a, waits := p.lead("a"), p.candidate("b")
				p.until(time.Second)
				if test.notice != nil {
					p.doomAll(enginetest.Fate{Dropped: true}, enginetest.OpUpdate)
				}
				if name != "noticed once only" {
					store.Rewind()
				}
				if test.notice != nil {
					test.notice(p)
				}
				a.mustEnd(test.at, lease.ErrLost)
				p.doom(nil)
				p.until(time.Hour)
				p.mustBeParked()
				if _, _, ok := waits.Hold(t.Context()); ok {
					t.Error("a hold began on a store that went back")
				}
				calls := len(p.sent(enginetest.OpOpen, enginetest.OpRenew, enginetest.OpWatch))
				p.until(2 * time.Hour)
				if more := len(p.sent(enginetest.OpOpen, enginetest.OpRenew, enginetest.OpWatch)) - calls; more != 0 {
					t.Errorf("%d calls of a parked process in an hour", more)
				}
				for _, c := range []*lease.Claim{a.Claim, waits} {
					c.Leave(nil)
					<-c.Gone()
				}
			})
		})
	}
}

func TestStoreThatWentBackParksAProcessWithoutASession(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]bool{"noticed by the watch": false, "noticed by an opening": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *ramengine.Engine) {
				p := join(t, store)
				p.until(time.Second)
				if late {
					p.doomAll(enginetest.Fate{Dropped: true}, enginetest.OpUpdate)
				}
				store.Rewind()
				if late {
					p.candidate("m")
				}
				synctest.Wait()
				p.mustBeParked()
			})
		})
	}
}

func (p *process) mustBeParked() {
	p.t.Helper()
	if trust, err := p.Trust(); trust != 0 || !errors.Is(err, engine.ErrRewound) || p.Session() != "" {
		p.t.Errorf("trust %v, reason %v, session %q; want none of it, and %v", trust, err, p.Session(), engine.ErrRewound)
	}
}

func TestSessionThatWasAskedForBeforeTheStoreWentBackIsNotUsed(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := join(t, store)
		p.until(time.Second)
		p.doomAll(enginetest.Fate{Reply: 500 * time.Millisecond}, enginetest.OpOpen)
		p.candidate("m")
		synctest.Wait()
		store.Rewind()
		p.until(2 * time.Second) // before it would be renewed
		p.mustBeParked()
		if closed := len(p.sent(enginetest.OpClose)); closed != 1 {
			t.Errorf("the session was closed %d times, want once", closed)
		}
	})
}
