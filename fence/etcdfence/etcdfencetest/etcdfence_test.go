package etcdfencetest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/namespace"

	"github.com/singleton-go/singleton/fence"
	"github.com/singleton-go/singleton/fence/etcdfence"
)

// put is a fenced write of a token to the key "effect".
func put(ctx context.Context, kv clientv3.KV, term fence.Term, resources ...string) error {
	text := "-"
	if term != nil {
		text = fence.FormatToken(term.Token())
	}
	_, err := etcdfence.Txn(ctx, kv, term, resources...).Then(clientv3.OpPut("effect", text)).Commit()
	return err
}

// get reads a key, "" where there is none.
func get(t *testing.T, kv clientv3.KV, key string) string {
	t.Helper()
	answer, err := kv.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if len(answer.Kvs) == 0 {
		return ""
	}
	return string(answer.Kvs[0].Value)
}

// marks are the keys of the fence.
func marks(t *testing.T, kv clientv3.KV) []string {
	t.Helper()
	answer, err := kv.Get(t.Context(), "singleton-fence/", clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, pair := range answer.Kvs {
		keys = append(keys, string(pair.Key))
	}
	return keys
}

func TestAnOlderTermIsRefused(t *testing.T) {
	t.Parallel()
	kv, _ := fresh()
	for _, token := range []uint64{7, 10, 10} { // of which 7 is the longer text
		if err := put(t.Context(), kv, term(token), "invoices"); err != nil {
			t.Errorf("token %d: %v", token, err)
		}
	}
	err := put(t.Context(), kv, term(9), "invoices")
	stale, ok := errors.AsType[*fence.StaleError](err)
	if want := (fence.StaleError{Resource: "invoices", Election: election, Token: 9, Newest: 10}); !ok || *stale != want {
		t.Errorf("token 9 after 10: %v", err)
	}
	if got := get(t, kv, "effect"); got != "10" {
		t.Errorf("effect of token %s, want 10", got)
	}
	for _, other := range []struct{ resource, election string }{
		{"orders", election},
		{"invoice", election},
		{"invoices" + "/" + election, "x"},
		{"invoices", "worker/data"},
		{"invoices", "worker/data-sync/0000000000000000001"},
		{strings.Repeat("r", 255), strings.Repeat("e", 255)},
	} {
		if err := put(t.Context(), kv, fence.NewTerm(other.election, 1), other.resource); err != nil {
			t.Errorf("%.20s, %.40s: %v", other.resource, other.election, err)
		}
	}
	if err := put(t.Context(), kv, term(9), "invoices"); !errors.Is(err, fence.ErrStale) {
		t.Errorf("token 9, after others: %v", err)
	}
	if keys := marks(t, kv); len(keys) != 7 {
		t.Errorf("more marks than resources: %q", keys)
	}
}

func TestAllTokensAreInOrder(t *testing.T) {
	t.Parallel()
	kv, _ := fresh()
	for _, token := range []uint64{1, 9, 10, 99, 1 << 53, 1<<53 + 1, fence.MaxToken - 1, fence.MaxToken} {
		if err := put(t.Context(), kv, term(token), "r"); err != nil {
			t.Fatalf("token %d: %v", token, err)
		}
		if token == 1 {
			continue
		}
		err := put(t.Context(), kv, term(token-1), "r")
		if stale, ok := errors.AsType[*fence.StaleError](err); !ok || stale.Newest != token {
			t.Errorf("token %d after %d: %v", token-1, token, err)
		}
	}
}

func TestWhatIsNoTermIsRefused(t *testing.T) {
	t.Parallel()
	kv, _ := fresh()
	for name, c := range map[string]struct {
		term      fence.Term
		resources []string
		want      error
	}{
		"no term":             {nil, []string{"r"}, fence.ErrNoTerm},
		"token 0":             {term(0), []string{"r"}, fence.ErrInvalid},
		"2^63":                {term(fence.MaxToken + 1), []string{"r"}, fence.ErrInvalid},
		"no election":         {fence.NewTerm("", 1), []string{"r"}, fence.ErrInvalid},
		"no resource":         {term(1), nil, fence.ErrInvalid},
		"an empty one":        {term(1), []string{"r", ""}, fence.ErrInvalid},
		"one with a space":    {term(1), []string{"r r"}, fence.ErrInvalid},
		"one with a wildcard": {term(1), []string{"r\x00"}, fence.ErrInvalid},
	} {
		if err := put(t.Context(), kv, c.term, c.resources...); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := get(t, kv, "effect"); got != "" {
		t.Errorf("effect %q", got)
	}
}

// The caller's own branches are fenced as a whole, and answered as without a fence.
func TestBothBranchesAreFenced(t *testing.T) {
	t.Parallel()
	kv, _ := fresh()
	try := func(token uint64, expect string) (*clientv3.TxnResponse, error) {
		return etcdfence.Txn(t.Context(), kv, term(token), "r").
			If(clientv3.Compare(clientv3.Value("a"), "=", expect)).
			Then(clientv3.OpPut("a", "2")).Then(clientv3.OpGet("a")).
			Else(clientv3.OpPut("a", "1"), clientv3.OpGet("a")).
			Commit()
	}
	for _, step := range []struct {
		expect, want string
		succeeded    bool
	}{{"x", "1", false}, {"1", "2", true}} {
		answer, err := try(9, step.expect)
		if err != nil || answer.Succeeded != step.succeeded || len(answer.Responses) != 2 || answer.Header.GetRevision() == 0 {
			t.Fatalf("%v, %v", answer, err)
		}
		if got := string(answer.Responses[1].GetResponseRange().GetKvs()[0].GetValue()); got != step.want {
			t.Errorf("read %q, want %q", got, step.want)
		}
	}
	for _, expect := range []string{"2", "x"} {
		if answer, err := try(7, expect); answer != nil || !errors.Is(err, fence.ErrStale) {
			t.Errorf("stale: %v, %v", answer, err)
		}
	}
	if got := get(t, kv, "a"); got != "2" {
		t.Errorf("a stale term has written %q", got)
	}
	if _, err := try(11, "x"); err != nil { // its comparison fails
		t.Fatal(err)
	}
	if _, err := try(10, "x"); !errors.Is(err, fence.ErrStale) {
		t.Errorf("a term whose own comparison failed is not recorded: %v", err)
	}
}

func TestSeveralResourcesInOneTransaction(t *testing.T) {
	t.Parallel()
	kv, _ := fresh()
	if err := put(t.Context(), kv, term(9), "a", "b"); err != nil {
		t.Fatal(err)
	}
	if err := put(t.Context(), kv, term(11), "b"); err != nil {
		t.Fatal(err)
	}
	for _, resources := range [][]string{{"a", "b", "c"}, {"b", "a"}} {
		stale, ok := errors.AsType[*fence.StaleError](put(t.Context(), kv, term(10), resources...))
		if !ok || stale.Resource != "b" || stale.Newest != 11 {
			t.Errorf("%v: %v", resources, stale)
		}
	}
	// The refused ones left nothing: neither an effect nor a token at the other resources.
	if got := get(t, kv, "effect"); got != "11" {
		t.Errorf("effect of token %s", got)
	}
	if err := put(t.Context(), kv, term(9), "a"); err != nil {
		t.Errorf("a: %v", err)
	}
	if err := put(t.Context(), kv, term(1), "c"); err != nil {
		t.Errorf("c: %v", err)
	}
}

func TestAFencedTransactionIsLittleLarger(t *testing.T) {
	t.Parallel()
	kv, _ := fresh()
	const limit = 128 // etcd's
	var work []clientv3.Op
	for i := range limit - 1 - 2 {
		work = append(work, clientv3.OpPut(fmt.Sprintf("k%d", i), ""))
	}
	answer, err := etcdfence.Txn(t.Context(), kv, term(9), "a", "b").Then(work...).Commit()
	if err != nil || len(answer.Responses) != len(work) {
		t.Errorf("%v", err)
	}
}

// A term that writes often leaves one version of its mark, so that watches and the history are not full of it.
func TestATokenIsRecordedOnce(t *testing.T) {
	t.Parallel()
	kv, _ := fresh()
	for range 3 {
		if err := put(t.Context(), kv, term(9), "r"); err != nil {
			t.Fatal(err)
		}
	}
	answer, err := kv.Get(t.Context(), marks(t, kv)[0])
	if err != nil || answer.Kvs[0].Version != 1 {
		t.Errorf("%v, %v", answer, err)
	}
}

// Each prefix has tokens of its own, also where one namespace is within another.
func TestNamespacesAreFencesOfTheirOwn(t *testing.T) {
	t.Parallel()
	outer, name := fresh()
	inner := namespace.NewKV(client, name+"inner/")
	if err := put(t.Context(), outer, term(9), "r"); err != nil {
		t.Fatal(err)
	}
	if err := put(t.Context(), inner, term(7), "r"); err != nil {
		t.Errorf("another namespace: %v", err)
	}
	if err := put(t.Context(), namespace.NewKV(outer, "inner/"), term(6), "r"); !errors.Is(err, fence.ErrStale) {
		t.Errorf("the same namespace in two steps: %v", err)
	}
	if want, keys := "singleton-fence/r worker/data-sync 0000000000000000009", marks(t, outer); len(keys) != 1 || keys[0] != want {
		t.Errorf("marks %q, want %q", keys, want)
	}
}

func TestResetIsForOnePairAndIsLogged(t *testing.T) {
	t.Parallel()
	kv, _ := fresh()
	if err := put(t.Context(), kv, term(9), "r", "s"); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	r := fence.Reset{Resource: "r", Election: election, Reason: "restored", Logger: slog.New(slog.NewTextHandler(&out, nil))}
	if err := etcdfence.Reset(t.Context(), kv, r); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "newest=9") || !strings.Contains(out.String(), "restored") {
		t.Errorf("log: %q", out.String())
	}
	if err := put(t.Context(), kv, term(3), "r"); err != nil {
		t.Errorf("after the reset: %v", err)
	}
	if err := put(t.Context(), kv, term(2), "r"); !errors.Is(err, fence.ErrStale) {
		t.Errorf("the rule holds no more after a reset: %v", err)
	}
	if err := put(t.Context(), kv, term(3), "s"); !errors.Is(err, fence.ErrStale) {
		t.Errorf("the other resource was reset too: %v", err)
	}
	r.Resource = "unknown"
	if err := etcdfence.Reset(t.Context(), kv, r); err != nil || !strings.Contains(out.String(), "newest=0") {
		t.Errorf("reset of nothing: %v, log: %q", err, out.String())
	}
	r.Reason = ""
	if err := etcdfence.Reset(t.Context(), kv, r); !errors.Is(err, fence.ErrInvalid) {
		t.Errorf("reset without a reason: %v", err)
	}
}

// What somebody else puts among the marks lets nobody in.
func TestADamagedMarkIsNotGuessed(t *testing.T) {
	t.Parallel()
	kv, _ := fresh()
	if err := put(t.Context(), kv, term(5), "r"); err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Put(t.Context(), "singleton-fence/r worker/data-sync zzz", ""); err != nil {
		t.Fatal(err)
	}
	err := put(t.Context(), kv, term(9), "r")
	if !errors.Is(err, fence.ErrInvalid) || !strings.Contains(err.Error(), "zzz") {
		t.Errorf("%v", err)
	}
	r := fence.Reset{Resource: "r", Election: election, Reason: "test", Logger: slog.New(slog.DiscardHandler)}
	if err := etcdfence.Reset(t.Context(), kv, r); err != nil {
		t.Fatal(err)
	}
	if err := put(t.Context(), kv, term(9), "r"); err != nil {
		t.Errorf("after the reset: %v", err)
	}
}

// The check as a part of other transactions.
func TestACheckByItself(t *testing.T) {
	t.Parallel()
	kv, _ := fresh()
	try := func(token uint64, expect int) error {
		check, err := etcdfence.NewCheck("r", term(token))
		if err != nil {
			return err
		}
		answer, err := kv.Txn(t.Context()).
			If(clientv3.Compare(clientv3.Version("a"), "=", expect), check.If()).
			Then(clientv3.OpPut("a", fmt.Sprint(token)), check.Then()).
			Else(check.Else()).
			Commit()
		if err != nil || answer.Succeeded {
			return err
		}
		if err := check.Err(answer.Responses[0]); err != nil {
			return err
		}
		return errOwn
	}
	for _, step := range []struct {
		token  uint64
		expect int
		want   error
	}{{9, 1, errOwn}, {7, 0, nil}, {9, 0, errOwn}, {9, 1, nil}, {8, 2, fence.ErrStale}, {9, 7, errOwn}, {0, 2, fence.ErrInvalid}} {
		if err := try(step.token, step.expect); !errors.Is(err, step.want) {
			t.Errorf("token %d, version %d: %v, want %v", step.token, step.expect, err, step.want)
		}
	}
	if got := get(t, kv, "a"); got != "9" {
		t.Errorf("effect of token %s", got)
	}
}

var errOwn = errors.New("the transaction's own comparison")
