package httpsingleton_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/engine/ramengine"
	"github.com/singleton-go/singleton/httpsingleton"
)

// whence answers with what a request says of where it comes from.
func whence(w http.ResponseWriter, r *http.Request) {
	for _, name := range []string{"X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded", "X-Forwarded-For"} {
		_, _ = fmt.Fprintf(w, "%s: %q\n", name, r.Header.Values(name))
	}
	_, _ = fmt.Fprintln(w, r.URL.RawQuery)
}

func TestForwardPassesOnWhatTheLoadBalancerSaid(t *testing.T) {
	t.Parallel()
	store := ramengine.New()
	a := join(t, store, "a", http.HandlerFunc(whence), httpsingleton.ServerOptions{})
	a.awaitState(singleton.Ready)
	b := join(t, store, "b", http.HandlerFunc(whence), httpsingleton.ServerOptions{})
	b.awaitQueued()
	for front, hop := range map[string]string{a.front(store): "", b.front(store): ", 127.0.0.1"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, front+"/x?a=1;b=2&c=%zz", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Forwarded-For", "203.0.113.9")
		r.Header.Set("X-Forwarded-Proto", "https")
		r.Header.Set("X-Forwarded-Host", "shop.example")
		r.Header.Set("Forwarded", "for=203.0.113.9;proto=https")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		want := `X-Forwarded-Proto: ["https"]
X-Forwarded-Host: ["shop.example"]
Forwarded: ["for=203.0.113.9;proto=https"]
X-Forwarded-For: ["203.0.113.9` + hop + `"]
a=1;b=2&c=%zz
`
		if err != nil || string(got) != want {
			t.Errorf("%v: got\n%swant\n%s", err, got, want)
		}
	}
}

func TestServerWhoseMakingPanicsLeavesItsAddressFree(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	panics := httpsingleton.Server(addr, http.NotFoundHandler(), httpsingleton.ServerOptions{
		Configure: func(*http.Server) { panic("not today") },
	})
	func() {
		defer func() { _ = recover() }()
		_ = panics.Run(t.Context())
	}()
	if l, err = net.Listen("tcp", addr); err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
}
