package fence_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math"
	"strings"
	"testing"

	"github.com/singleton-go/singleton/fence"
)

const election = "worker/data-sync"

func TestCheckAcceptsTheNewestAndRefusesOlder(t *testing.T) {
	t.Parallel()
	for _, newest := range []uint64{0, 1, 6, 7} {
		if err := fence.Check("invoices", fence.NewTerm(election, 7), newest); err != nil {
			t.Errorf("token 7 after %d: %v", newest, err)
		}
	}
	err := fence.Check("invoices", fence.NewTerm(election, 7), 9)
	if !errors.Is(err, fence.ErrStale) {
		t.Fatalf("token 7 after 9: %v, want ErrStale", err)
	}
	var stale *fence.StaleError
	if !errors.As(err, &stale) {
		t.Fatalf("%T is no *StaleError", err)
	}
	if want := (fence.StaleError{Resource: "invoices", Election: election, Token: 7, Newest: 9}); *stale != want {
		t.Errorf("got %+v, want %+v", *stale, want)
	}
	for _, part := range []string{"invoices", election, "7", "9"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not name %s", err, part)
		}
	}
}

func TestCheckRefusesWhatIsNoTerm(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		term fence.Term
		want error
	}{
		"no term":               {nil, fence.ErrNoTerm},
		"token 0":               {fence.NewTerm(election, 0), fence.ErrInvalid},
		"token beyond int64":    {fence.NewTerm(election, math.MaxInt64+1), fence.ErrInvalid},
		"no election":           {fence.NewTerm("", 1), fence.ErrInvalid},
		"election with a space": {fence.NewTerm("worker/a ", 1), fence.ErrInvalid},
		"election with a break": {fence.NewTerm("worker/a\n", 1), fence.ErrInvalid},
		"election beyond ASCII": {fence.NewTerm("worker/ä", 1), fence.ErrInvalid},
		"election of 256 bytes": {fence.NewTerm(strings.Repeat("a", 256), 1), fence.ErrInvalid},
		"election of 255 bytes": {fence.NewTerm(strings.Repeat("a", 255), 1), nil},
		"the highest token":     {fence.NewTerm(election, fence.MaxToken), nil},
		"a direct election":     {fence.NewTerm("migrations", 1), nil},
	} {
		if err := fence.Check("r", c.term, 0); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestParseTermReadsOneSpellingOnly(t *testing.T) {
	t.Parallel()
	term, err := fence.ParseTerm(election, fence.FormatToken(fence.MaxToken))
	if err != nil || term.Election() != election || term.Token() != fence.MaxToken {
		t.Fatalf("got %v, %v", term, err)
	}
	for _, token := range []string{
		"", "0", "+7", "-7", "07", " 7", "7 ", "7,9", "0x7", "7.0", "7e3", "9223372036854775808", "18446744073709551616", "٧",
	} {
		if term, err := fence.ParseTerm(election, token); !errors.Is(err, fence.ErrInvalid) {
			t.Errorf("token %q: %v, %v, want ErrInvalid", token, term, err)
		}
	}
	if _, err := fence.ParseTerm("", "7"); !errors.Is(err, fence.ErrInvalid) {
		t.Errorf("no election: %v, want ErrInvalid", err)
	}
	if _, err := fence.ParseTerm("", ""); !errors.Is(err, fence.ErrNoTerm) {
		t.Errorf("nothing: %v, want ErrNoTerm", err)
	}
}

// ownTerm stands for the term type of another package.
type ownTerm struct{ token uint64 }

func (ownTerm) Election() string { return election }
func (t ownTerm) Token() uint64  { return t.token }

func TestSourceFindsTheTerm(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	own := fence.From(func(context.Context) (ownTerm, bool) { return ownTerm{5}, true })
	none := fence.From(func(context.Context) (ownTerm, bool) { return ownTerm{}, false })
	zero := fence.From(func(context.Context) (ownTerm, bool) { return ownTerm{}, true })
	for name, c := range map[string]struct {
		source fence.Source
		ctx    context.Context
		token  uint64
		want   error
	}{
		"of the context":          {nil, fence.WithTerm(ctx, fence.NewTerm(election, 7)), 7, nil},
		"of an empty context":     {nil, ctx, 0, fence.ErrNoTerm},
		"explicit":                {fence.Always(ownTerm{6}), ctx, 6, nil},
		"explicitly nil":          {fence.Always(nil), ctx, 0, fence.ErrNoTerm},
		"by another's function":   {own, ctx, 5, nil},
		"not found":               {none, ctx, 0, fence.ErrNoTerm},
		"found, but with token 0": {zero, ctx, 0, fence.ErrInvalid},
	} {
		term, err := c.source.Term(c.ctx)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if err == nil && term.Token() != c.token {
			t.Errorf("%s: token %d, want %d", name, term.Token(), c.token)
		}
	}
}

func TestResetSaysWhatWasForgottenAndWhy(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	r := fence.Reset{
		Resource: "invoices", Election: election, Reason: "restored from Tuesday's backup",
		Logger: slog.New(slog.NewTextHandler(&out, nil)),
	}
	if err := r.Validate(); err != nil {
		t.Fatal(err)
	}
	r.Log(t.Context(), 9)
	for _, part := range []string{"WARN", "resource=invoices", "election=" + election, "newest=9", "Tuesday"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("%q does not say %s", out.String(), part)
		}
	}
	for _, incomplete := range []fence.Reset{
		{Election: election, Reason: "x"}, {Resource: "invoices", Reason: "x"}, {Resource: "invoices", Election: election},
	} {
		if err := incomplete.Validate(); !errors.Is(err, fence.ErrInvalid) {
			t.Errorf("%+v: %v, want ErrInvalid", incomplete, err)
		}
	}
}

func TestARequestIsMeantForThisTermOrAnEarlierOne(t *testing.T) {
	t.Parallel()
	serving := fence.NewTerm("service/ledger", 7)
	for name, c := range map[string]struct {
		target    string
		ok, stale bool
	}{
		"none":            {"", true, false},
		"this":            {fence.FormatTarget("service/ledger", 7), true, false},
		"an earlier one":  {"service/ledger 6", true, false},
		"a newer one":     {"service/ledger 8", false, true},
		"another service": {"service/other 7", false, false},
		"no number":       {"service/ledger 07", false, false},
		"no token":        {"service/ledger", false, false},
		"no election":     {" 7", false, false},
		"something more":  {"service/ledger 7 8", false, false},
	} {
		err := fence.Meant(serving, c.target)
		if (err == nil) != c.ok || errors.Is(err, fence.ErrStale) != c.stale {
			t.Errorf("%s: %v", name, err)
		}
	}
}
