package httpsingleton_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/engine/ramengine"
	"github.com/singleton-go/singleton/httpsingleton"
)

// front starts a process's public listener.
func (p *process) front(store *ramengine.Engine) string {
	p.t.Helper()
	return serve(p.t, httpsingleton.Forward(follow(p.t, observe(p.t, store), httpsingleton.Options{}), p.srv))
}

func serve(t *testing.T, h http.Handler) (url string) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp.StatusCode, strings.TrimSpace(string(text))
}

func TestEveryProcessAnswersForTheOneThatServes(t *testing.T) {
	t.Parallel()
	store := ramengine.New()
	a := join(t, store, "a", named("a"), httpsingleton.ServerOptions{})
	a.awaitState(singleton.Ready)
	b := join(t, store, "b", named("b"), httpsingleton.ServerOptions{})
	b.awaitQueued()
	fronts := []string{a.front(store), b.front(store)}
	for _, want := range []string{"a", "b"} {
		for _, url := range fronts {
			if _, got := get(t, url); got != want {
				t.Errorf("%s answered %q, want %q", url, got, want)
			}
		}
		if want == "a" {
			a.stop() // and its front forwards
		}
	}
}

func TestAForwardedAnswerIsStreamedWithItsTrailers(t *testing.T) {
	t.Parallel()
	store, next := ramengine.New(), make(chan string)
	a := join(t, store, "a", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "Sum")
		for part := range next {
			_, _ = io.WriteString(w, part)
			_ = http.NewResponseController(w).Flush()
		}
		w.Header().Set("Sum", "42")
	}), httpsingleton.ServerOptions{})
	a.awaitState(singleton.Ready)
	b := join(t, store, "b", named("b"), httpsingleton.ServerOptions{})
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, b.front(store), nil)
	go func() { next <- "one\n" }()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	for _, want := range []string{"one\n", "two\n"} {
		if want == "two\n" {
			next <- want
		}
		if got, err := lines.ReadString('\n'); got != want || err != nil {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	close(next)
	if _, err := lines.ReadString('\n'); !errors.Is(err, io.EOF) || resp.Trailer.Get("Sum") != "42" {
		t.Errorf("%v, trailers %v", err, resp.Trailer)
	}
}

func TestAnUpgradedConnectionIsPassedThroughUntilTheTermEnds(t *testing.T) {
	t.Parallel()
	store := ramengine.New()
	a := join(t, store, "a", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		stop := context.AfterFunc(r.Context(), func() { _ = c.Close() })
		defer stop()
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_ = rw.Flush()
		_, _ = io.Copy(c, rw)
	}), httpsingleton.ServerOptions{})
	a.awaitState(singleton.Ready)
	b := join(t, store, "b", named("b"), httpsingleton.ServerOptions{})
	conn, err := net.Dial("tcp", strings.TrimPrefix(b.front(store), "http://")) //nolint:noctx // loopback
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%+v, %v", resp, err)
	}
	defer resp.Body.Close()
	_, _ = io.WriteString(conn, "ping\n")
	if got, err := in.ReadString('\n'); got != "ping\n" {
		t.Errorf("got %q, %v", got, err)
	}
	heal := a.conn.Cut()
	if _, err := in.ReadByte(); err == nil {
		t.Error("the connection outlived the term")
	}
	heal()
}

func TestARequestThatGoesInACircleEnds(t *testing.T) {
	t.Parallel()
	store := ramengine.New()
	var front http.Handler
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { front.ServeHTTP(w, r) }))
	a := join(t, store, "a", named("a"), httpsingleton.ServerOptions{Advertise: strings.TrimPrefix(url, "http://")})
	a.awaitState(singleton.Ready)
	front = httpsingleton.Forward(follow(t, observe(t, store), httpsingleton.Options{}), nil) // never here
	if status, text := get(t, url); status != http.StatusLoopDetected {
		t.Errorf("status %d, %s", status, text)
	}
}

func TestWhileNobodyServesTheFrontSaysSo(t *testing.T) {
	t.Parallel()
	store := ramengine.New()
	url := serve(t, httpsingleton.Forward(follow(t, observe(t, store), httpsingleton.Options{FailFast: true}), nil))
	if status, text := get(t, url); status != http.StatusServiceUnavailable {
		t.Errorf("status %d, %s", status, text)
	}
}
