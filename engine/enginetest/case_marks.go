package enginetest

import (
	"testing"
	"time"

	"github.com/singleton-go/singleton/engine"
)

var markCases = []testCase{
	{name: "progress marks come as often as asked and are fresh", duties: []int{15, 20}, run: marksAreFresh},
	{name: "progress marks come beside many changes too", duties: []int{15}, run: marksComeWhenBusy},
	{name: "a stalled watch claims nothing that it has not yielded", duties: []int{15}, run: stalledClaimsNothing},
	{name: "a muted watch claims nothing that it has not yielded", duties: []int{15}, run: mutedClaimsNothing},
	{name: "a watch that is cut off claims nothing that it has not yielded", duties: []int{15}, run: cutClaimsNothing},
	{name: "a slow reader is told nothing that it has not been given", duties: []int{15}, run: slowIsToldNothing},
}

// marks returns the updates with a mark. The viewer has held each against what the store had confirmed.
func (v *viewer) marks() []sighting {
	v.mu.Lock()
	defer v.mu.Unlock()
	var marks []sighting
	for _, seen := range v.history {
		if !seen.AsOf.IsZero() {
			marks = append(marks, seen)
		}
	}
	return marks
}

// markAfter waits for a mark that speaks of an instant after the given one.
func (v *viewer) markAfter(at time.Time) {
	v.tr.Helper()
	v.until(15, "a mark for a later instant", func() bool {
		last := v.history[len(v.history)-1]
		return last.AsOf.After(at)
	})
}

// areTimely checks the distance of marks, and how old they were when they came.
func (tr *trial) areTimely(marks []sighting, start time.Time, progress time.Duration) {
	tr.Helper()
	limit := progress + 2*tr.slack()
	last := start
	for i, m := range marks {
		if gap := m.at.Sub(last); gap > limit {
			tr.broken(15, "mark %d came after %v, and one was asked for every %v", i, gap, progress)
		}
		if age := m.at.Sub(m.AsOf); age > limit {
			tr.broken(15, "mark %d was %v old when it came, and one was asked for every %v", i, age, progress)
		}
		last = m.at
	}
}

func marksAreFresh(tr *trial) {
	progress := tr.harness.TTL / 3
	start := time.Now()
	v := tr.watch(tr.connect().Engine, engine.WatchOptions{Prefix: "marks/", Progress: progress})
	for range 5 {
		v.markAfter(time.Now())
	}
	tr.areTimely(v.marks(), start, progress)
}

func marksComeWhenBusy(tr *trial) {
	progress := tr.harness.TTL / 3
	c := tr.connect()
	s := tr.openLong(c)
	start := time.Now()
	v := tr.watch(tr.connect().Engine, engine.WatchOptions{Prefix: "marks/", Progress: progress})
	for i := 0; time.Since(start) < 4*progress; i++ {
		tr.remove(s, tr.create(s, numbered("marks/", i%10), ""))
		tr.pause(progress / 50)
	}
	v.markAfter(time.Now())
	tr.areTimely(v.marks(), start, progress)
}

func stalledClaimsNothing(tr *trial) {
	c := tr.connect()
	tr.need("Stall", c.Stall != nil)
	tr.claimsNothing(c, c.Stall)
}

func mutedClaimsNothing(tr *trial) {
	c := tr.connect()
	tr.need("Mute", c.Mute != nil)
	tr.claimsNothing(c, c.Mute)
}

func cutClaimsNothing(tr *trial) {
	c := tr.connect()
	tr.need("Cut", c.Cut != nil)
	tr.claimsNothing(c, c.Cut)
}

// claimsNothing lets changes happen that a watch does not hear of. Its renewals go on meanwhile, as those of a living process do,
// since an engine might take them for a sign that the watch is sound.
func (tr *trial) claimsNothing(c Conn, hold func(*testing.T) func()) {
	tr.Helper()
	progress := tr.harness.TTL / 3
	other := tr.openLong(tr.connect())
	own := tr.openLong(c)
	v := tr.watch(c.Engine, engine.WatchOptions{Prefix: "claim/", Progress: progress})
	kept, gone := tr.create(other, "claim/kept", ""), tr.create(other, "claim/gone", "")
	v.shows(12, kept, gone)
	v.markAfter(time.Now())
	heal := hold(tr.T)
	added := tr.create(other, "claim/added", "")
	tr.remove(other, gone)
	for range 6 {
		tr.pause(progress / 2)
		own.Renew(tr.within(progress / 4)) //nolint:errcheck // muted or cut off it can't succeed
	}
	heal()
	v.shows(12, kept, added)
	v.markAfter(time.Now())
}

func slowIsToldNothing(tr *trial) {
	progress := tr.harness.TTL / 3
	c := tr.connect()
	s := tr.openLong(c)
	v := tr.watch(c.Engine, engine.WatchOptions{Prefix: "claim/", Progress: progress})
	goOn := v.stop()
	defer goOn()
	v.markAfter(time.Now()) // the reader has this one in its hands, and stands
	first := tr.create(s, "claim/first", "")
	tr.pause(2 * progress)
	second := tr.create(s, "claim/second", "")
	tr.pause(progress / 2) // what is told from here on speaks of a later instant
	goOn()
	v.shows(12, first, second)
	v.markAfter(time.Now())
}
