package httpsingleton_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/engine/ramengine"
	"github.com/singleton-go/singleton/httpsingleton"
)

// mustTell asks all probes of a process.
func mustTell(t *testing.T, url string, live, ready, leads int) {
	t.Helper()
	for path, want := range map[string]int{
		"/livez": live, "/readyz": ready, "/leaderz": leads, "/leaderz?unit=service/ledger": leads, "/leaderz?unit=worker/x": 503, "/": 404,
	} {
		if status, text := get(t, url+path); status != want {
			t.Errorf("%s: status %d, want %d: %s", path, status, want, text)
		}
	}
}

func TestHealthTellsLeadershipFromReadiness(t *testing.T) {
	t.Parallel()
	store := ramengine.New()
	rt, err := singleton.New(store, singleton.Config{Prefix: "/t"})
	if err != nil {
		t.Fatal(err)
	}
	mustTell(t, serve(t, httpsingleton.Health(rt)), 200, 503, 503) // it does not run

	a := join(t, store, "a", named("a"), httpsingleton.ServerOptions{})
	a.awaitState(singleton.Ready)
	b := join(t, store, "b", named("b"), httpsingleton.ServerOptions{})
	b.awaitQueued()
	leader, standby := serve(t, httpsingleton.Health(a.rt)), serve(t, httpsingleton.Health(b.rt))
	mustTell(t, leader, 200, 200, 200)
	mustTell(t, standby, 200, 200, 503)

	heal := b.conn.Cut()
	await(t, "the end of trust", func() bool {
		trusted, err := b.rt.Discovery().Trust()
		return err == nil && trusted == 0
	})
	mustTell(t, standby, 200, 200, 503) // the store is away
	heal()

	a.stop()
	await(t, "a handed-over service", func() bool { status, _ := get(t, standby+"/leaderz"); return status == http.StatusOK })
	mustTell(t, leader, 503, 503, 503)
}

func TestAStoreThatWentBackMakesTheProcessUnhealthy(t *testing.T) {
	t.Parallel()
	store := ramengine.New()
	a := joinFor(t, store, time.Second, "a", named("a"), httpsingleton.ServerOptions{})
	a.awaitState(singleton.Ready)
	url := serve(t, httpsingleton.Health(a.rt))
	mustTell(t, url, 200, 200, 200)
	store.Rewind()
	await(t, "the discovery of it", func() bool { status, _ := get(t, url+"/livez"); return status != http.StatusOK })
	await(t, "no leadership", func() bool { status, _ := get(t, url+"/leaderz"); return status != http.StatusOK })
	mustTell(t, url, 503, 503, 503)
}
