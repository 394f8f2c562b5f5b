package httpsingleton_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/engine/enginetest"
	"github.com/singleton-go/singleton/engine/ramengine"
	"github.com/singleton-go/singleton/httpsingleton"
)

// What no test should ever wait for.
const patience = 30 * time.Second

// A process serves "ledger" when it leads.
type process struct {
	t    *testing.T
	conn *enginetest.Faulty
	rt   *singleton.Runtime
	srv  *httpsingleton.Service
	stop func()
}

// join starts a process with a short TTL.
func join(t *testing.T, store *ramengine.Engine, name string, h http.Handler, o httpsingleton.ServerOptions) *process {
	t.Helper()
	return joinFor(t, store, 2*time.Second, name, h, o)
}

// joinFor starts a process with this TTL.
func joinFor(t *testing.T, store *ramengine.Engine, ttl time.Duration, name string, h http.Handler, o httpsingleton.ServerOptions,
) *process {
	t.Helper()
	p := &process{t: t, conn: enginetest.NewFaulty(store.Connect()), srv: httpsingleton.Server("127.0.0.1:0", h, o)}
	rt, err := singleton.New(p.conn, singleton.Config{
		Prefix: "/t", Node: name, Timing: discovery.Timing{TTL: ttl}, Grace: patience,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)).With("node", name),
	})
	if err != nil {
		t.Fatal(err)
	}
	p.rt = rt
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := rt.Run(ctx, singleton.Service("ledger", p.srv)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	})
	p.stop = func() { cancel(); wg.Wait() }
	t.Cleanup(func() { p.stop(); p.conn.Close() })
	return p
}

// awaitState waits until the process's unit is in this state.
func (p *process) awaitState(want singleton.State) {
	p.t.Helper()
	await(p.t, want.String(), func() bool {
		s := p.rt.Status()
		return len(s) == 1 && s[0].State == want
	})
}

// awaitQueued waits until the process stands in the queue.
func (p *process) awaitQueued() {
	p.t.Helper()
	await(p.t, "a place in the queue", func() bool {
		d := p.rt.Discovery()
		if d == nil {
			return false
		}
		c, err := d.Cluster(p.t.Context())
		e, _ := c.Election("service/ledger")
		stands := func(x discovery.Candidate) bool { return x.NodeID == d.NodeID() }
		return err == nil && (stands(e.Leader) || slices.ContainsFunc(e.Waiting, stands))
	})
}

// await waits until ok, whose change nothing announces.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// observe joins as a client that registers nothing.
func observe(t *testing.T, store *ramengine.Engine) *discovery.Discovery {
	t.Helper()
	d, err := discovery.Open(store.Connect(), discovery.Config{Prefix: "/t", Observer: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return d
}

func follow(t *testing.T, d *discovery.Discovery, o httpsingleton.Options) *httpsingleton.Transport {
	t.Helper()
	tr, err := httpsingleton.Follow(d, "ledger", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.Close)
	return tr
}

// send posts a text, and returns the answer's status and text.
func send(t *testing.T, rt http.RoundTripper, text string) (int, string, error) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://ledger/x", strings.NewReader(text))
	if err != nil {
		return 0, "", err
	}
	resp, err := (&http.Client{Transport: rt}).Do(r)
	if err != nil {
		return 0, "", err
	}
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), errors.Join(err, resp.Body.Close())
}

// named answers with its name and what was sent.
func named(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, name+" "+string(body))
	})
}
