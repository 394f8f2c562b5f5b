package lease_test

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/singleton-go/singleton/engine/enginetest"
	"github.com/singleton-go/singleton/engine/ramengine"
	"github.com/singleton-go/singleton/internal/lease"
)

// patience is how long a watch may say nothing of its progress.
const patience = renewal + deadline

func TestWatchThatDoesNotSayHowFarItIsIsOpenedAnew(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		engine func(*ramengine.Engine) lease.Config
		fate   enginetest.Fate
	}{
		"as it is silent":                 {func(*ramengine.Engine) lease.Config { return lease.Config{} }, enginetest.Fate{Dropped: true}},
		"though it goes on with changes":  {func(s *ramengine.Engine) lease.Config { return lease.Config{Engine: markless{s}} }, enginetest.Fate{}},
		"as it can't be opened at all":    {func(*ramengine.Engine) lease.Config { return lease.Config{} }, enginetest.Fate{Lost: true}},
		"though it begins again and goes": {func(s *ramengine.Engine) lease.Config { return lease.Config{Engine: markless{s}} }, enginetest.Fate{Reply: slow}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *ramengine.Engine) {
				p, other := joinWith(t, store, test.engine(store)), join(t, store)
				p.doomAll(test.fate, enginetest.OpUpdate)
				for i := range 300 {
					other.candidate(strconv.Itoa(i))
					time.Sleep(time.Second / 10)
				}
				opened := p.sent(enginetest.OpWatch)
				if len(opened) < 7 {
					t.Fatalf("the watch was opened at %v", opened)
				}
				for i, c := range opened[1:] {
					if silent := c.at - opened[i].at; silent < patience || silent > patience+5*deadline/4 {
						t.Errorf("it was opened anew after %v, want about %v", silent, patience)
					}
				}
			})
		})
	}
}

func TestWatchThatBreaksIsOpenedAnewAfterPausesThatGrowWhileNothingComesOfIt(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := join(t, store)
		p.until(time.Second)
		broken := errors.New("broken")
		p.doomAll(enginetest.Fate{Refuse: broken}, enginetest.OpWatch)
		p.conn.BreakWatches(broken)
		p.until(31 * time.Second)
		opened := p.sent(enginetest.OpWatch)
		if len(opened) < 20 || len(opened) > 60 {
			t.Errorf("within 30 s it was opened %d times, want about once a second in the end", len(opened))
		}
		if first := opened[1].at - time.Second; first > deadline/8 {
			t.Errorf("it was opened anew after %v, want soon", first)
		}
		p.doom(nil)
		p.until(35 * time.Second)
		p.lead("m").mustLast()
		tries := len(p.sent(enginetest.OpWatch))
		p.conn.BreakWatches(broken) // the pauses have been forgotten
		p.until(35*time.Second + deadline/8)
		if n := len(p.sent(enginetest.OpWatch)) - tries; n != 1 {
			t.Errorf("%d watches were opened after another break, want 1 soon", n)
		}
	})
}
