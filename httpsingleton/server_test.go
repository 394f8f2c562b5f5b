package httpsingleton_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/ramengine"
	"github.com/singleton-go/singleton/fence"
	"github.com/singleton-go/singleton/httpsingleton"
)

// address waits until the service is published, and returns where.
func address(t *testing.T, store *ramengine.Engine) (string, uint64) {
	t.Helper()
	for target, err := range observe(t, store).Follow(t.Context(), "ledger") {
		if err != nil {
			t.Fatal(err)
		}
		if len(target.Endpoints) > 0 {
			return target.Endpoints[0].Address, target.Token
		}
	}
	t.Fatal("not published")
	return "", 0
}

func TestAnswersNameTheTermAndHandlersHaveIt(t *testing.T) {
	t.Parallel()
	store := ramengine.New()
	join(t, store, "a", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		term, _ := singleton.TermFrom(r.Context())
		_, _ = io.WriteString(w, fence.FormatToken(term.Token()))
	}), httpsingleton.ServerOptions{})
	at, token := address(t, store)
	resp, err := http.Get("http://" + at) //nolint:noctx // loopback
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	want := fence.FormatToken(token)
	if got := resp.Header.Get(fence.TokenHeader); got != want || string(text) != want {
		t.Errorf("header %s, handler %s, want %s", got, text, want)
	}
	if got := resp.Header.Get(fence.ElectionHeader); got != "service/ledger" {
		t.Errorf("election %q", got)
	}
}

func TestRequestsForAnotherTermOrServiceAreRefused(t *testing.T) {
	t.Parallel()
	store := ramengine.New()
	join(t, store, "a", named("a"), httpsingleton.ServerOptions{})
	at, token := address(t, store)
	for _, c := range []struct {
		name, target string
		want         int
	}{
		{"this term", fence.FormatTarget("service/ledger", token), http.StatusOK},
		{"an older term", "service/ledger 1", http.StatusOK},
		{"a newer term", fence.FormatTarget("service/ledger", token+1), http.StatusServiceUnavailable},
		{"another service", fence.FormatTarget("service/other", token), http.StatusServiceUnavailable},
		{"no number", "service/ledger x", http.StatusServiceUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+at, nil)
			r.Header.Set(fence.TargetHeader, c.target)
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != c.want || (resp.Header.Get(fence.RefusedHeader) != "") != (c.want != http.StatusOK) {
				t.Errorf("status %d, header %v", resp.StatusCode, resp.Header)
			}
		})
	}
}

func TestARequestForANewerTermMakesTheServerAskTheStore(t *testing.T) {
	t.Parallel()
	store := ramengine.New()
	a := joinFor(t, store, time.Hour, "a", named("a"), httpsingleton.ServerOptions{})
	at, token := address(t, store)
	c, err := a.rt.Discovery().Cluster(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	heal := a.conn.Stall() // so that the process doesn't see that its session ends
	if err := engine.End(t.Context(), store, c.Nodes[0].Session); err != nil {
		t.Fatal(err)
	}
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+at, nil)
	r.Header.Set(fence.TargetHeader, fence.FormatTarget("service/ledger", token+1))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("status %d", resp.StatusCode)
	}
	a.awaitState(singleton.Pending) // long before the next renewal
	heal()
}

// slow answers when it is let go, or its context ends.
type slow struct {
	entered chan struct{}
	leave   chan struct{}
	cause   chan error
}

func newSlow() *slow {
	return &slow{make(chan struct{}, many), make(chan struct{}), make(chan error, many)}
}

// many requests under way show what a single one shows now and then.
const many = 50

func (s *slow) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.entered <- struct{}{}
	select {
	case <-s.leave:
		_, _ = io.WriteString(w, "done")
	case <-r.Context().Done():
		s.cause <- context.Cause(r.Context())
	}
}

func TestAPlannedStopLetsRequestsUnderWayEnd(t *testing.T) {
	t.Parallel()
	store, h := ramengine.New(), newSlow()
	a := join(t, store, "a", h, httpsingleton.ServerOptions{})
	tr := follow(t, observe(t, store), httpsingleton.Options{})
	answer := make(chan string)
	go func() {
		_, text, err := send(t, tr, "x")
		if err != nil {
			t.Error(err)
		}
		answer <- text
	}()
	<-h.entered
	b := join(t, store, "b", named("b"), httpsingleton.ServerOptions{})
	b.awaitQueued()
	stopped := make(chan struct{})
	go func() { defer close(stopped); a.stop() }()
	a.awaitState(singleton.Stopping)
	second := make(chan string)
	go func() {
		_, text, err := send(t, tr, "y")
		if err != nil {
			t.Error(err)
		}
		second <- text
	}()
	b.awaitState(singleton.Pending) // the first request is under way, so it leads still
	close(h.leave)
	if text := <-answer; text != "done" {
		t.Errorf("answer %q", text)
	}
	if text := <-second; text != "b y" {
		t.Errorf("answer %q of the request that came while it stopped", text)
	}
	<-stopped
}

func TestTheLossOfLeadershipEndsRequestsUnderWay(t *testing.T) {
	t.Parallel()
	store, h := ramengine.New(), newSlow()
	a := join(t, store, "a", h, httpsingleton.ServerOptions{})
	tr := follow(t, observe(t, store), httpsingleton.Options{})
	failed := make(chan error, many)
	for range many {
		go func() {
			_, _, err := send(t, tr, "x")
			failed <- err
		}()
	}
	for range many {
		<-h.entered
	}
	heal := a.conn.Cut()
	for range many {
		if err := <-h.cause; !errors.Is(err, singleton.ErrLost) {
			t.Errorf("cause %v, want %v", err, singleton.ErrLost)
		}
		if err := <-failed; err == nil {
			t.Error("an answer came after the loss")
		}
	}
	heal()
}

func TestAConnectionThatCouldNotBeMadeIsTriedAgainElsewhere(t *testing.T) {
	t.Parallel()
	store := ramengine.New()
	a := join(t, store, "a", named("a"), httpsingleton.ServerOptions{Advertise: "127.0.0.1:1"}) // nobody is there
	a.awaitState(singleton.Ready)
	b := join(t, store, "b", named("b"), httpsingleton.ServerOptions{})
	b.awaitQueued()
	tr := follow(t, observe(t, store), httpsingleton.Options{})
	answer := make(chan string)
	go func() {
		// A body without GetBody can be sent again as long as nothing was read from it.
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://ledger", io.MultiReader(strings.NewReader("x")))
		resp, err := tr.RoundTrip(r)
		if err != nil {
			t.Error(err)
			close(answer)
			return
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		answer <- string(text)
	}()
	await(t, "a failed attempt", func() bool { return tr.Stats().Resent > 0 })
	a.stop()
	if text := <-answer; text != "b x" {
		t.Errorf("answer %q", text)
	}
}

func TestABadServerIsRefusedBeforeItStarts(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*httpsingleton.Service{
		"address":   httpsingleton.Server("nowhere", named(""), httpsingleton.ServerOptions{}),
		"advertise": httpsingleton.Server(":0", named(""), httpsingleton.ServerOptions{Advertise: "here"}),
		"handler":   httpsingleton.Server(":0", nil, httpsingleton.ServerOptions{}),
		"weight":    httpsingleton.Server(":0", named(""), httpsingleton.ServerOptions{Weight: -1}),
	} {
		rt, err := singleton.New(ramengine.New(), singleton.Config{Prefix: "/t"})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := rt.Run(ctx, singleton.Service("ledger", s)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
