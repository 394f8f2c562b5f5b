package fence

import "context"

type termKey struct{}

// WithTerm returns a context that carries a term. The servers' side of fence/httpfence and fence/grpcfence puts the
// caller's term into the request's context, so that a handler can hand it on to its database.
func WithTerm(ctx context.Context, term Term) context.Context {
	return context.WithValue(ctx, termKey{}, term)
}

// TermFrom returns the term that [WithTerm] put into the context. A runner finds its own term with singleton.TermFrom.
func TermFrom(ctx context.Context) (Term, bool) {
	term, ok := ctx.Value(termKey{}).(Term)
	return term, ok
}

// A Source says with which term a request is to be sent. The clients' side of fence/httpfence and fence/grpcfence asks
// it for every request.
type Source func(ctx context.Context) (Term, bool)

// From makes a source of a function that finds a term of another type in a context: From(singleton.TermFrom) sends the term of
// the runner on whose behalf the request is made.
func From[T Term](find func(context.Context) (T, bool)) Source {
	return func(ctx context.Context) (Term, bool) {
		term, ok := find(ctx)
		return term, ok
	}
}

// Always is a source with one explicit term.
func Always(term Term) Source {
	return func(context.Context) (Term, bool) { return term, term != nil }
}

// Term returns the term with which a request of this context is to be sent. It is [ErrNoTerm] if there is none, and
// [ErrInvalid] if no resource could accept it: an unfenced request never leaves by accident. The nil Source is
// [TermFrom].
func (s Source) Term(ctx context.Context) (Term, error) {
	if s == nil {
		s = TermFrom
	}
	term, ok := s(ctx)
	if !ok {
		return nil, ErrNoTerm
	}
	return term, Validate(term)
}
