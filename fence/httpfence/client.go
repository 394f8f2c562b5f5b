package httpfence

import (
	"fmt"
	"net/http"

	"github.com/singleton-go/singleton/fence"
)

// A Transport sends the sender's term with every request. It is an [http.RoundTripper], so an [http.Client] can use it.
//
// A request without a term, or with one that no resource could accept, is not sent at all: the error is [fence.ErrNoTerm] or
// [fence.ErrInvalid]. Headers of the same names in the request are replaced. Redirects carry the term too.
type Transport struct {
	// Base sends the request; nil means [http.DefaultTransport].
	Base http.RoundTripper

	// Term finds the term for a request by its context; nil means [fence.TermFrom]. A runner's client uses
	// fence.From(singleton.TermFrom), and fence.Always names one term.
	Term fence.Source
}

// RoundTrip implements [http.RoundTripper].
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	term, err := t.Term.Term(r.Context())
	if err != nil {
		if r.Body != nil {
			_ = r.Body.Close() // a RoundTripper must, and the request has a better error
		}
		return nil, fmt.Errorf("fenced request: %w", err)
	}
	r = r.Clone(r.Context()) // a RoundTripper must not change the request
	r.Header.Set(fence.ElectionHeader, term.Election())
	r.Header.Set(fence.TokenHeader, fence.FormatToken(term.Token()))
	base := t.Base
	if base == nil {
		base = http.DefaultTransport
	}
	return base.RoundTrip(r)
}

// Refusal returns the [*fence.StaleError] that a [Handler] has answered with, and nil for every other answer. It does not
// read the body.
func Refusal(r *http.Response) error {
	if r.StatusCode != http.StatusPreconditionFailed || r.Header.Get(fence.NewestHeader) == "" {
		return nil
	}
	token, err := fence.ParseToken(r.Header.Get(fence.TokenHeader))
	if err != nil {
		return fmt.Errorf("refusal: %w", err)
	}
	newest, err := fence.ParseToken(r.Header.Get(fence.NewestHeader))
	if err != nil {
		return fmt.Errorf("refusal: %w", err)
	}
	return &fence.StaleError{
		Resource: r.Header.Get(fence.ResourceHeader), Election: r.Header.Get(fence.ElectionHeader),
		Token: token, Newest: newest,
	}
}
