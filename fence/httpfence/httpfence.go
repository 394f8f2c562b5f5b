// Package httpfence fences an HTTP server: a request of an older term is refused once a newer term has been there.
//
// The client's side is [Transport]: it sends the election and the token of the sender's term with every request, in the headers
// [fence.ElectionHeader] and [fence.TokenHeader]. The server's side is [Handler]: it lets requests through a [fence.Gate], so
// requests of one term run at the same time, and those of different terms never do:
//
//	client                          server
//	term 7  ── POST, token 7 ──►    accepted
//	term 9  ── POST, token 9 ──►    token 7 still being handled? its context ends; token 9 waits for its return
//	term 7  ── POST, token 7 ──►    412 Precondition Failed, both tokens named; [Refusal] makes an error of it
//
// Only requests that have effects need the fence; wrap the handlers of those.
//
// # Limits
//
// A gate lives in memory: after a restart of the server the first request is accepted, however old its term. Where the effects
// are in a database, let the database check too: the request's context holds the client's term ([fence.TermFrom]), ready for
// fence/sqlfence. Several servers in front of one database must do so, since each has a gate of its own.
//
// What a handler leaves running when it returns is not fenced: goroutines, and a connection that it has hijacked.
//
// Whoever can send requests can name any token, and a very high one shuts all real terms out (until a [fence.Gate.Reset]).
// So authenticate before the fence.
package httpfence

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/singleton-go/singleton/fence"
)

// Options say what a [Handler] guards.
type Options struct {
	// Resource names what the handler changes. Required.
	Resource string

	// Elections are those whose leaders may use the resource. Required: tokens of different elections can't be compared, so a
	// client that names another election would not be fenced at all.
	Elections []string

	// Gate is where the highest tokens are kept; nil means a new one. One gate behind several handlers, of gRPC too, makes them
	// one resource if they name it alike. Keep it where a person can reset it.
	Gate *fence.Gate
}

// Handler returns a handler that hands requests on to next if their term is as new as any before, and else refuses them:
//
//   - 412 Precondition Failed: a newer term has been there ([fence.ErrStale]). It is the status for a condition in the request's headers
//     that does not hold, and says that sending the same again is of no use. (409 Conflict would invite to resolve and retry.)
//   - 428 Precondition Required: the request has no term.
//   - 400 Bad Request: the headers are malformed, or there are several.
//   - 403 Forbidden: the election is none of those that may use the resource.
//   - 503 Service Unavailable: the request ended while it waited for an older term's requests to return.
//
// next finds the term in the request's context by [fence.TermFrom]. When a newer term comes, that context ends, with a
// [*fence.StaleError] as the cause, and so does reading the request's body; next must return soon, since the newer term waits for it.
//
// Handler refuses options without a resource or an election, or with names that can't be any ([fence.ErrInvalid]).
func Handler(next http.Handler, o Options) (http.Handler, error) {
	if err := fence.ValidateResource(o.Resource); err != nil {
		return nil, err
	}
	if len(o.Elections) == 0 {
		return nil, fmt.Errorf("%w: resource %q: Elections: empty", fence.ErrInvalid, o.Resource)
	}
	for _, name := range o.Elections {
		if err := fence.Validate(fence.NewTerm(name, 1)); err != nil {
			return nil, fmt.Errorf("resource %q: Elections: %w", o.Resource, err)
		}
	}
	if o.Gate == nil {
		o.Gate = new(fence.Gate)
	}
	o.Elections = slices.Clone(o.Elections)
	return &handler{o, next}, nil
}

type handler struct {
	Options
	next http.Handler
}

// errForbidden is for an election that has no business here.
var errForbidden = errors.New("election may not use this resource")

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	term, err := h.term(r)
	if err == nil {
		err = h.Gate.Do(r.Context(), h.Resource, term, func(ctx context.Context) error {
			r, end := interruptible(fence.WithTerm(ctx, term), w, r)
			defer end()
			h.next.ServeHTTP(w, r)
			return nil
		})
	}
	if err != nil {
		refuse(w, err)
	}
}

func (h *handler) term(r *http.Request) (fence.Term, error) {
	election, err := single(r.Header, fence.ElectionHeader)
	if err != nil {
		return nil, err
	}
	token, err := single(r.Header, fence.TokenHeader)
	if err != nil {
		return nil, err
	}
	term, err := fence.ParseTerm(election, token)
	if err == nil && !slices.Contains(h.Elections, term.Election()) {
		err = fmt.Errorf("resource %q, election %q: %w", h.Resource, term.Election(), errForbidden)
	}
	return term, err
}

// single refuses several values: a proxy and we might choose different ones.
func single(h http.Header, name string) (string, error) {
	if values := h.Values(name); len(values) > 1 {
		return "", fmt.Errorf("%w: %d headers %s", fence.ErrInvalid, len(values), name)
	}
	return h.Get(name), nil
}

func refuse(w http.ResponseWriter, err error) {
	status := http.StatusServiceUnavailable
	switch stale, isStale := errors.AsType[*fence.StaleError](err); {
	case isStale:
		status = http.StatusPreconditionFailed
		w.Header().Set(fence.ResourceHeader, stale.Resource)
		w.Header().Set(fence.ElectionHeader, stale.Election)
		w.Header().Set(fence.TokenHeader, fence.FormatToken(stale.Token))
		w.Header().Set(fence.NewestHeader, fence.FormatToken(stale.Newest))
	case errors.Is(err, fence.ErrNoTerm):
		status = http.StatusPreconditionRequired
	case errors.Is(err, fence.ErrInvalid):
		status = http.StatusBadRequest
	case errors.Is(err, errForbidden):
		status = http.StatusForbidden
	default:
		// The server ends all later requests of a connection too, once it thinks that the client is gone.
		w.Header().Set("Connection", "close")
	}
	http.Error(w, err.Error(), status)
}
