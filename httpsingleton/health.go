package httpsingleton

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/singleton-go/singleton"
)

// How long a health check waits for the runtime.
const checkup = 2 * time.Second

// Health returns a handler for probes, which tells apart what a rolling update must not mix up:
//
//   - /livez: 200 while the process can take part, also when it waits or the store is away; 503 when it can't until it is started
//     anew: what campaigns for it stands still, or the store is not the one that it was.
//   - /readyz: 200 from the moment at which it can take over until it stops: a standby is ready. A store that goes away later
//     doesn't take readiness away, or a whole fleet would be without it.
//   - /leaderz: 200 where a worker or service runs in this process; /leaderz?unit=service/ledger asks for one. It is no
//     readiness: with it, a rolling update would wait for ever for the second process.
//
// The answer's text says what was found. All other paths get 404.
func Health(rt *singleton.Runtime) http.Handler {
	h := &health{rt: rt}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", h.probe(h.live))
	mux.HandleFunc("GET /readyz", h.probe(h.ready))
	mux.HandleFunc("GET /leaderz", h.probe(h.leads))
	return mux
}

type health struct {
	rt     *singleton.Runtime
	joined atomic.Bool // it has had a session
}

func (h *health) probe(check func(*http.Request) (string, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), checkup)
		defer cancel()
		text, err := check(r.WithContext(ctx))
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = fmt.Fprintln(w, text)
	}
}

func (h *health) live(r *http.Request) (string, error) {
	d := h.rt.Discovery()
	if d == nil {
		return "starting", nil
	}
	return "live", d.Alive(r.Context())
}

var errStarting = errors.New("starting")

func (h *health) ready(r *http.Request) (string, error) {
	d := h.rt.Discovery()
	if d == nil {
		return "", errStarting
	}
	if err := d.Alive(r.Context()); err != nil {
		return "", err
	}
	if trusted, err := d.Trust(); err != nil || trusted <= 0 && !h.joined.Load() {
		return "", errors.Join(errStarting, err)
	}
	h.joined.Store(true)
	return "ready", nil
}

func (h *health) leads(r *http.Request) (string, error) {
	unit := r.FormValue("unit")
	var found []string
	for _, s := range h.rt.Status() {
		if s.State == singleton.Ready && s.Token != 0 && (unit == "" || unit == s.String()) {
			found = append(found, fmt.Sprintf("%s token %d", s, s.Token))
		}
	}
	if found == nil {
		return "", fmt.Errorf("leads nothing of %q", unit)
	}
	return strings.Join(found, "\n"), nil
}
