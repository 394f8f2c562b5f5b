package lease_test

import (
	"testing"
	"time"

	"github.com/singleton-go/singleton/engine/ramengine"
)

// A thread that is kept waiting between its readings of two clocks finds the machine less long suspended than it was.
func TestReadingThatWasInterruptedIsNoSuspension(t *testing.T) {
	inBubble(t, func(t *testing.T, store *ramengine.Engine) {
		p := join(t, store)
		h := p.lead("m")
		p.asleep.Add(int64(-30 * time.Millisecond))
		p.until(time.Minute) // it is renewed meanwhile
		before, _ := p.Trust()
		p.asleep.Add(int64(30 * time.Millisecond))
		if after, _ := p.Trust(); after != before {
			t.Errorf("the trust was %v, and then %v at the same instant", before, after)
		}
		h.mustLast()
	})
}
