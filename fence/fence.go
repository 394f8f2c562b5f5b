package fence

import (
	"errors"
	"fmt"
	"math"
)

var (
	// ErrStale says that the resource has seen a newer term of this election. It is final for the term: the work belongs to
	// another process now. The error that is returned is a [*StaleError].
	ErrStale = errors.New("stale term")

	// ErrNoTerm says that a fenced call came without a term.
	ErrNoTerm = errors.New("no term")

	// ErrInvalid says that a token, an election's name or a resource's name can't be one.
	ErrInvalid = errors.New("invalid fencing token")
)

// MaxToken is the highest token that is accepted. SQL databases have no unsigned 64-bit integers, and a token that changed
// its sign on the way would turn the order around.
const MaxToken = math.MaxInt64

// longestName is what fits into an index of every database.
const longestName = 255

// A Term is one candidate's time as leader of an election. The terms of package election are Terms.
type Term interface {
	// Election is the name of the election. It is printable ASCII without spaces, up to 255 bytes.
	Election() string

	// Token is the term's fencing token: higher than the token of every earlier term of the election, and never 0.
	Token() uint64
}

// NewTerm returns a term for a token that reached the caller by another way, such as the create revision of a key in etcd's
// own election recipe. It is checked where it is used.
func NewTerm(election string, token uint64) Term {
	return plainTerm{election, token}
}

type plainTerm struct {
	election string
	token    uint64
}

func (t plainTerm) Election() string { return t.election }
func (t plainTerm) Token() uint64    { return t.token }

// A StaleError is a refusal because of a newer term. [errors.Is] finds [ErrStale] in it.
type StaleError struct {
	Resource string // what was to be changed
	Election string
	Token    uint64 // of the term that was refused
	Newest   uint64 // the highest token that the resource has seen
}

// Error names the resource, the election and both tokens.
func (e *StaleError) Error() string {
	return fmt.Sprintf("%v: resource %q refuses token %d of election %q: it has seen token %d",
		ErrStale, e.Resource, e.Token, e.Election, e.Newest)
}

// Unwrap returns [ErrStale].
func (e *StaleError) Unwrap() error { return ErrStale }

// Check is the rule itself. It returns nil if the resource may accept the term when newest is the highest token that it has
// seen of the term's election (0: none), and else a [*StaleError], or what [Validate] returns.
//
// It is for guards of one's own. It protects only where newest is read, and the term's token is recorded, in the same
// transaction or critical section as the effect.
func Check(resource string, term Term, newest uint64) error {
	if err := Validate(term); err != nil {
		return fmt.Errorf("resource %q: %w", resource, err)
	}
	if term.Token() < newest {
		return &StaleError{Resource: resource, Election: term.Election(), Token: term.Token(), Newest: newest}
	}
	return nil
}

// Validate refuses what no resource may accept: no term ([ErrNoTerm]), token 0, a token above [MaxToken], and an election's
// name that is empty, longer than 255 bytes or not printable ASCII without spaces ([ErrInvalid]).
func Validate(term Term) error {
	if term == nil {
		return ErrNoTerm
	}
	if err := checkName("election", term.Election()); err != nil {
		return err
	}
	switch token := term.Token(); {
	case token == 0:
		return fmt.Errorf("%w: token 0 of election %q: no term has it", ErrInvalid, term.Election())
	case token > MaxToken:
		return fmt.Errorf("%w: token %d of election %q: above %d", ErrInvalid, token, term.Election(), uint64(MaxToken))
	}
	return nil
}

// ValidateResource refuses, with [ErrInvalid], a resource's name that is empty, longer than 255 bytes or not printable ASCII
// without spaces. Stores disagree on everything else: case, spaces at the end, which letters are the same.
func ValidateResource(name string) error {
	return checkName("resource", name)
}

func checkName(field, name string) error {
	if name == "" {
		return fmt.Errorf("%w: %s: empty name", ErrInvalid, field)
	}
	if len(name) > longestName {
		return fmt.Errorf("%w: %s %.40q...: %d bytes long, the limit is %d", ErrInvalid, field, name, len(name), longestName)
	}
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c > '~' {
			return fmt.Errorf("%w: %s %q: has %q; allowed is printable ASCII without spaces", ErrInvalid, field, name, c)
		}
	}
	return nil
}
