package fence

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// What a request carries, over HTTP as headers and over gRPC as metadata (whose keys are the same in lower case).
const (
	// ElectionHeader names the election of the sender's term.
	ElectionHeader = "Singleton-Election"

	// TokenHeader is the term's token, in decimal.
	TokenHeader = "Singleton-Token"
)

// What the refusal of a stale request carries besides.
const (
	// ResourceHeader names the resource that refused.
	ResourceHeader = "Singleton-Resource"

	// NewestHeader is the highest token that the resource has seen, in decimal.
	NewestHeader = "Singleton-Newest"
)

// What a request to a singleton service carries: which term it is meant for. The sender's own term, if it has one, is beside it.
const (
	// TargetHeader is the term that the request is meant for, as [FormatTarget] writes it. It is one value and not two, since every
	// call to a service has it, and each value costs.
	TargetHeader = "Singleton-Target"

	// RefusedHeader says, in an answer, why the request surely was not run; it is worth being sent again.
	RefusedHeader = "Singleton-Refused"
)

// FormatTarget writes the term that a request is meant for: the election, a space, the token in decimal.
func FormatTarget(election string, token uint64) string { return election + " " + FormatToken(token) }

// Meant is the check of a singleton service under the term serving, given the target that a request carries: nil if the request is meant for this
// term or an earlier one, or for none; a [*StaleError] if it is meant for a newer term, so that this one is over; and another
// error if it is meant for another service, or malformed.
func Meant(serving Term, target string) error {
	election, token, _ := strings.Cut(target, " ")
	term, err := ParseTerm(election, token)
	switch {
	case errors.Is(err, ErrNoTerm):
		return nil
	case err != nil:
		return err
	case term.Election() != serving.Election():
		return fmt.Errorf("request is meant for %q, and this is %q", term.Election(), serving.Election())
	}
	return Check(serving.Election(), serving, term.Token())
}

// ParseTerm reads a term from the two values that a request carries. It is [ErrNoTerm] if both are empty, and [ErrInvalid]
// if the token is not written as [FormatToken] writes it or if the term could not be accepted by any resource.
func ParseTerm(election, token string) (Term, error) {
	if election == "" && token == "" {
		return nil, ErrNoTerm
	}
	n, err := ParseToken(token)
	if err != nil {
		return nil, err
	}
	term := NewTerm(election, n)
	if err := Validate(term); err != nil {
		return nil, err
	}
	return term, nil
}

// ParseToken reads a token as [FormatToken] writes it, and nothing else: no sign, no zeros in front, no spaces. Where two
// programs read one text differently, an old token can pass for a new one.
func ParseToken(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || FormatToken(n) != s {
		return 0, fmt.Errorf("%w: token %.40q: must be a decimal number", ErrInvalid, s)
	}
	return n, nil
}

// FormatToken writes a token in decimal.
func FormatToken(token uint64) string {
	return strconv.FormatUint(token, 10)
}
