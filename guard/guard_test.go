package guard_test

import (
	"testing"
	"time"
)

// The TTL of sessions that a guard is to end: so long that nothing but the guard can have ended them.
const long = "1h"

func TestSessionEndsWithItsProcess(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	p := start(t, s)
	id := p.do(t, "open "+long)
	if got := p.guards(t); len(got) != 1 {
		t.Fatalf("guards: %d, want one", got)
	}
	killed := time.Now()
	p.kill()
	s.awaitGone(t, id)
	t.Logf("%v from SIGKILL to the session's end", time.Since(killed))
}
