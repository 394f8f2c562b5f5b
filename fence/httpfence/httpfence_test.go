package httpfence_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/singleton-go/singleton/fence"
	"github.com/singleton-go/singleton/fence/httpfence"
)

const election = "worker/data-sync"

// serve starts a fenced server for two elections.
func serve(t *testing.T, gate *fence.Gate, next http.HandlerFunc) *httptest.Server {
	t.Helper()
	handler, err := httpfence.Handler(next, httpfence.Options{
		Resource: "ledger", Elections: []string{election, "worker/other"}, Gate: gate,
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

// post sends a request with a term, and returns the answer's status and what Refusal makes of it.
func post(ctx context.Context, t *testing.T, server *httptest.Server, term fence.Term) (status int, refusal error) {
	t.Helper()
	client := &http.Client{Transport: &httpfence.Transport{Base: server.Client().Transport}}
	r, err := http.NewRequestWithContext(fence.WithTerm(ctx, term), http.MethodPost, server.URL, nil)
	if err != nil {
		t.Error(err)
		return 0, err
	}
	answer, err := client.Do(r)
	if err != nil {
		t.Error(err)
		return 0, err
	}
	return answer.StatusCode, errors.Join(httpfence.Refusal(answer), answer.Body.Close())
}

func term(token uint64) fence.Term { return fence.NewTerm(election, token) }

func TestAnOlderTermIsRefused(t *testing.T) {
	t.Parallel()
	var gate fence.Gate
	var effects atomic.Int64
	server := serve(t, &gate, func(_ http.ResponseWriter, r *http.Request) {
		effects.Add(1)
		if term, ok := fence.TermFrom(r.Context()); !ok || term.Token() == 0 {
			t.Errorf("the handler finds no term")
		}
	})
	want := func(name string, term fence.Term, status int) error {
		t.Helper()
		got, refusal := post(t.Context(), t, server, term)
		if got != status {
			t.Errorf("%s: %d, want %d", name, got, status)
		}
		return refusal
	}
	if err := want("first", term(7), 200); err != nil {
		t.Errorf("refusal of an accepted request: %v", err)
	}
	_ = want("newer", term(9), 200)
	_ = want("equal", term(9), 200)
	stale, ok := errors.AsType[*fence.StaleError](want("older", term(7), 412))
	if exact := (fence.StaleError{Resource: "ledger", Election: election, Token: 7, Newest: 9}); !ok || *stale != exact {
		t.Errorf("refusal %+v, want %+v", stale, exact)
	}
	_ = want("another election", fence.NewTerm("worker/other", 1), 200)
	_ = want("a foreign election", fence.NewTerm("worker/foreign", 99), 403)
	if n := effects.Load(); n != 4 {
		t.Errorf("%d effects, want 4", n)
	}
	err := gate.Reset(t.Context(), fence.Reset{
		Resource: "ledger", Election: election, Reason: "test", Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = want("lower, after a reset", term(3), 200)
}

func TestMissingAndMalformedTermsAreRefused(t *testing.T) {
	t.Parallel()
	server := serve(t, nil, func(http.ResponseWriter, *http.Request) { t.Error("handled") })
	for name, c := range map[string]struct {
		headers [][2]string
		status  int
	}{
		"no term":        {nil, 428},
		"no token":       {[][2]string{{fence.ElectionHeader, election}}, 400},
		"no election":    {[][2]string{{fence.TokenHeader, "7"}}, 400},
		"token 0":        {[][2]string{{fence.ElectionHeader, election}, {fence.TokenHeader, "0"}}, 400},
		"negative":       {[][2]string{{fence.ElectionHeader, election}, {fence.TokenHeader, "-7"}}, 400},
		"beyond int64":   {[][2]string{{fence.ElectionHeader, election}, {fence.TokenHeader, "9223372036854775808"}}, 400},
		"two tokens":     {[][2]string{{fence.ElectionHeader, election}, {fence.TokenHeader, "7"}, {fence.TokenHeader, "9"}}, 400},
		"tokens in one":  {[][2]string{{fence.ElectionHeader, election}, {fence.TokenHeader, "7, 9"}}, 400},
		"two elections":  {[][2]string{{fence.ElectionHeader, election}, {fence.ElectionHeader, "x"}, {fence.TokenHeader, "9"}}, 400},
		"other election": {[][2]string{{fence.ElectionHeader, "x"}, {fence.TokenHeader, "9"}}, 403},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range c.headers {
			r.Header.Add(h[0], h[1])
		}
		answer, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if answer.StatusCode != c.status {
			t.Errorf("%s: %s: %s", name, answer.Status, text)
		}
		if err := httpfence.Refusal(answer); err != nil {
			t.Errorf("%s: refused as stale: %v", name, err)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]httpfence.Options{
		"no resource":       {Elections: []string{election}},
		"no elections":      {Resource: "ledger"},
		"an empty election": {Resource: "ledger", Elections: []string{election, ""}},
	} {
		if _, err := httpfence.Handler(http.NotFoundHandler(), o); !errors.Is(err, fence.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// closer notes that a body was closed.
type closer struct {
	io.Reader
	closed bool
}

func (c *closer) Close() error { c.closed = true; return nil }

func TestTransportSendsNothingWithoutATerm(t *testing.T) {
	t.Parallel()
	server := serve(t, nil, func(http.ResponseWriter, *http.Request) { t.Error("handled") })
	for name, c := range map[string]struct {
		source fence.Source
		want   error
	}{
		"no term": {nil, fence.ErrNoTerm},
		"token 0": {fence.Always(term(0)), fence.ErrInvalid},
	} {
		body := &closer{Reader: strings.NewReader("x")}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, body)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := (&httpfence.Transport{Term: c.source}).RoundTrip(r)
		if err == nil {
			_ = answer.Body.Close()
		}
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if !body.closed {
			t.Errorf("%s: the body stays open", name)
		}
	}
}

func TestTransportReplacesHeadersAndLeavesTheRequestAlone(t *testing.T) {
	t.Parallel()
	server := serve(t, nil, func(http.ResponseWriter, *http.Request) {})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set(fence.TokenHeader, "forged")
	transport := &httpfence.Transport{Base: server.Client().Transport, Term: fence.Always(term(7))}
	answer, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("%s", answer.Status)
	}
	if got := r.Header.Get(fence.TokenHeader); got != "forged" {
		t.Errorf("the caller's request was changed: %q", got)
	}
}

// The old leader is stopped in the middle of a request or of reading its answer. Its successor must not wait for it.
func TestAStoppedClientDoesNotHoldUpTheNextTerm(t *testing.T) {
	t.Parallel()
	for name, wait := range map[string]func(w http.ResponseWriter, r *http.Request) error{
		"reading its body": func(_ http.ResponseWriter, r *http.Request) error {
			_, err := io.Copy(io.Discard, r.Body)
			return err
		},
		"writing to it": func(w http.ResponseWriter, _ *http.Request) error {
			for {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					return err
				}
			}
		},
		"waiting for its context": func(_ http.ResponseWriter, r *http.Request) error {
			<-r.Context().Done()
			return context.Cause(r.Context())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begun, ended := make(chan struct{}), make(chan error, 1)
			server := serve(t, nil, func(w http.ResponseWriter, r *http.Request) {
				if term, _ := fence.TermFrom(r.Context()); term.Token() == 7 {
					close(begun)
					ended <- wait(w, r)
				}
			})
			var old sync.WaitGroup
			defer old.Wait()
			body, stopped := io.Pipe()
			defer func() { _ = stopped.Close() }()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			old.Go(func() { hang(ctx, t, server, body) })
			<-begun
			if status, err := post(t.Context(), t, server, term(9)); status != http.StatusOK {
				t.Fatalf("newer term: %d, %v", status, err)
			}
			select {
			case err := <-ended:
				if err == nil {
					t.Error("the old term's handler ended without an error")
				}
			default:
				t.Error("the newer term was handled before the old one's handler returned")
			}
		})
	}
}

// hang sends a request whose body never ends, and reads nothing of the answer until ctx ends.
func hang(ctx context.Context, t *testing.T, server *httptest.Server, body io.Reader) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL, body)
	if err != nil {
		t.Error(err)
		return
	}
	transport := &httpfence.Transport{Base: server.Client().Transport, Term: fence.Always(term(7))}
	answer, err := transport.RoundTrip(r)
	if err != nil {
		return // the server has hung up
	}
	<-ctx.Done()
	_ = answer.Body.Close()
}

// A connection on which a request was interrupted serves later requests as any other.
func TestAnInterruptedConnectionServesOn(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{"without a body": "", "with a body": "body"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begun := make(chan struct{})
			server := serve(t, nil, func(w http.ResponseWriter, r *http.Request) {
				if r.ContentLength > 0 {
					if _, err := io.Copy(io.Discard, r.Body); err != nil {
						t.Error(err)
					}
				}
				if term, _ := fence.TermFrom(r.Context()); term.Token() == 7 {
					close(begun)
					<-r.Context().Done()
					w.WriteHeader(http.StatusAccepted)
				}
			})
			var dials atomic.Int64
			one := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				dials.Add(1)
				return new(net.Dialer).DialContext(ctx, network, addr)
			}}
			defer one.CloseIdleConnections()
			var old sync.WaitGroup
			old.Go(func() { send(t, one, server.URL, term(7), body, http.StatusAccepted) })
			<-begun
			if status, err := post(t.Context(), t, server, term(9)); status != http.StatusOK {
				t.Errorf("newer: %d, %v", status, err)
			}
			old.Wait()
			send(t, one, server.URL, term(9), body, http.StatusOK)
			send(t, one, server.URL, term(9), body, http.StatusOK)
			if n := dials.Load(); n != 1 {
				t.Errorf("%d connections: this tested nothing", n)
			}
		})
	}
}

// send wants a request over a given transport answered with a status.
func send(t *testing.T, base http.RoundTripper, url string, term fence.Term, body string, want int) {
	t.Helper()
	client := &http.Client{Transport: &httpfence.Transport{Base: base, Term: fence.Always(term)}}
	answer, err := client.Post(url, "text/plain", strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return
	}
	if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != want {
		t.Errorf("token %d: %s, want %d, %v", term.Token(), answer.Status, want, err)
	}
	_ = answer.Body.Close()
}

// At the resource, accepted tokens never fall.
func TestUnderConcurrency(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var highest uint64
	server := serve(t, nil, func(_ http.ResponseWriter, r *http.Request) {
		term, _ := fence.TermFrom(r.Context())
		mu.Lock()
		defer mu.Unlock()
		if term.Token() < highest {
			t.Errorf("token %d accepted after %d", term.Token(), highest)
		}
		highest = term.Token()
	})
	var all sync.WaitGroup
	var next, accepted, refused atomic.Uint64
	for range 8 {
		all.Go(func() {
			for range 50 {
				token := 1 + rand.Uint64N(next.Load()+1)
				if rand.IntN(5) == 0 {
					token = next.Add(1)
				}
				status, refusal := post(t.Context(), t, server, term(token))
				switch {
				case errors.Is(refusal, fence.ErrStale):
					refused.Add(1)
				case status == http.StatusOK:
					accepted.Add(1)
				default:
					t.Errorf("%d, %v", status, refusal)
				}
			}
		})
	}
	all.Wait()
	if accepted.Load() == 0 || refused.Load() == 0 {
		t.Errorf("%d accepted, %d refused: this tested nothing", accepted.Load(), refused.Load())
	}
}
