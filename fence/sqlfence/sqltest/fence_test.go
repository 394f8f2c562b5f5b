package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/singleton-go/singleton/fence"
	"github.com/singleton-go/singleton/fence/sqlfence"
)

const election = "worker/data-sync"

func term(token uint64) fence.Term { return fence.NewTerm(election, token) }

// nothing is work that needs no more than the fence.
func nothing(*sql.Tx) error { return nil }

func TestAnOlderTermIsRefused(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p product, db *sql.DB) {
		execute(t, db, "CREATE TABLE effects (token bigint)")
		try := func(resource string, term fence.Term) error {
			return p.dialect.Tx(t.Context(), db, resource, term, func(tx *sql.Tx) error {
				_, err := tx.ExecContext(t.Context(), fmt.Sprintf("INSERT INTO effects VALUES (%d)", term.Token()))
				return err
			})
		}
		for _, token := range []uint64{7, 9, 9} {
			if err := try("invoices", term(token)); err != nil {
				t.Errorf("token %d: %v", token, err)
			}
		}
		stale, ok := errors.AsType[*fence.StaleError](try("invoices", term(7)))
		if want := (fence.StaleError{Resource: "invoices", Election: election, Token: 7, Newest: 9}); !ok || *stale != want {
			t.Errorf("token 7 after 9: %+v", stale)
		}
		if err := try("invoices", term(9)); err != nil {
			t.Errorf("token 9 after the refusal: %v", err)
		}
		for _, other := range []struct{ resource, election string }{
			{"orders", election},
			{"Invoices", election},
			{"invoices", "worker/Data-Sync"},
			{"invoices/" + election, "x"},
			{strings.Repeat("r", 255), strings.Repeat("e", 255)},
		} {
			if err := try(other.resource, fence.NewTerm(other.election, 1)); err != nil {
				t.Errorf("%.20s, %.20s: %v", other.resource, other.election, err)
			}
		}
		var effects int
		if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM effects").Scan(&effects); err != nil || effects != 9 {
			t.Errorf("%d effects, want 9; %v", effects, err)
		}
	})
}

func TestTokensSurviveTheDatabase(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p product, db *sql.DB) {
		for _, token := range []uint64{1, 1 << 53, 1<<53 + 1, fence.MaxToken - 1, fence.MaxToken} {
			if err := p.dialect.Tx(t.Context(), db, "r", term(token), nothing); err != nil {
				t.Fatalf("token %d: %v", token, err)
			}
			if token == 1 {
				continue
			}
			err := p.dialect.Tx(t.Context(), db, "r", term(token-1), nothing)
			if stale, ok := errors.AsType[*fence.StaleError](err); !ok || stale.Newest != token {
				t.Errorf("token %d after %d: %v", token-1, token, err)
			}
		}
	})
}

func TestWhatIsNoTermIsRefused(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p product, db *sql.DB) {
		for name, c := range map[string]struct {
			resource string
			term     fence.Term
			want     error
		}{
			"no term":     {"r", nil, fence.ErrNoTerm},
			"token 0":     {"r", term(0), fence.ErrInvalid},
			"2^63":        {"r", term(fence.MaxToken + 1), fence.ErrInvalid},
			"no election": {"r", fence.NewTerm("", 1), fence.ErrInvalid},
			"no resource": {"", term(1), fence.ErrInvalid},
			"padded":      {"r ", term(1), fence.ErrInvalid},
		} {
			err := p.dialect.Tx(t.Context(), db, c.resource, c.term, func(*sql.Tx) error {
				t.Errorf("%s: accepted", name)
				return nil
			})
			if !errors.Is(err, c.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := sqlfence.Dialect(0).Tx(t.Context(), db, "r", term(1), nothing); err == nil {
			t.Error("no dialect: accepted")
		}
	})
}

// The token is recorded with the effect or not at all, and the row is free again afterwards.
func TestWhatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p product, db *sql.DB) {
		failure := errors.New("out of paper")
		if err := p.dialect.Tx(t.Context(), db, "r", term(9), func(*sql.Tx) error { return failure }); !errors.Is(err, failure) {
			t.Errorf("got %v", err)
		}
		func() {
			defer func() { _ = recover() }()
			_ = p.dialect.Tx(t.Context(), db, "r", term(9), func(*sql.Tx) error { panic("boom") })
		}()
		ctx, cancel := context.WithCancel(t.Context())
		err := p.dialect.Tx(ctx, db, "r", term(9), func(*sql.Tx) error { cancel(); return nil })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("ended context: %v", err)
		}
		if err := p.dialect.Tx(t.Context(), db, "r", term(7), nothing); err != nil {
			t.Errorf("token 7, after 9 left nothing: %v", err)
		}
	})
}

// While one term's transaction is open, no other's gets past the check.
func TestTransactionsOfTwoTermsDoNotOverlap(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p product, db *sql.DB) {
		for resource, c := range map[string]struct{ before, during, next uint64 }{
			"first-use":       {0, 7, 9},
			"raised":          {5, 7, 9},
			"already-newest":  {7, 7, 9}, // nothing to write, and locked all the same
			"older-waits-too": {5, 9, 7},
		} {
			if c.before > 0 {
				if err := p.dialect.Tx(t.Context(), db, resource, term(c.before), nothing); err != nil {
					t.Fatal(err)
				}
			}
			tx := begin(t, db, nil)
			if err := p.dialect.Check(t.Context(), tx, resource, term(c.during)); err != nil {
				t.Fatalf("%s: %v", resource, err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			err := p.dialect.Tx(ctx, db, resource, term(c.next), func(*sql.Tx) error {
				t.Errorf("%s: token %d is let in while the transaction of token %d is open", resource, c.next, c.during)
				return nil
			})
			cancel()
			if err == nil || errors.Is(err, fence.ErrStale) {
				t.Errorf("%s: token %d while %d is open: %v", resource, c.next, c.during, err)
			}
			if err := tx.Commit(); err != nil {
				t.Fatalf("%s: %v", resource, err)
			}
			err = p.dialect.Tx(t.Context(), db, resource, term(c.next), nothing)
			if wantStale := c.next < c.during; errors.Is(err, fence.ErrStale) != wantStale || !wantStale && err != nil {
				t.Errorf("%s: token %d after %d: %v", resource, c.next, c.during, err)
			}
		}
	})
}

// A transaction that began, and looked around, before a newer term's must not be fooled by its own snapshot.
func TestAnOldSnapshotDoesNotHideANewerTerm(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p product, db *sql.DB) {
		levels := []sql.IsolationLevel{sql.LevelDefault, sql.LevelSerializable}
		if p.dialect != sqlfence.SQLite {
			levels = append(levels, sql.LevelReadCommitted, sql.LevelRepeatableRead)
		}
		for _, level := range levels {
			for _, before := range []uint64{0, 5} {
				checkOldSnapshot(t, p, db, level, before)
			}
		}
	})
}

func checkOldSnapshot(t *testing.T, p product, db *sql.DB, level sql.IsolationLevel, before uint64) {
	t.Helper()
	resource := fmt.Sprintf("r/%d/%d", level, before)
	if before > 0 {
		if err := p.dialect.Tx(t.Context(), db, resource, term(before), nothing); err != nil {
			t.Fatal(err)
		}
	}
	old := begin(t, db, &sql.TxOptions{Isolation: level})
	defer func() { _ = old.Rollback() }()
	var n int
	if err := old.QueryRowContext(t.Context(), "SELECT count(*) FROM singleton_fence").Scan(&n); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := p.dialect.Tx(ctx, db, resource, term(9), nothing); err != nil {
		return // it could not commit beside a reader, so it is not there to be hidden
	}
	err := p.dialect.Check(t.Context(), old, resource, term(7))
	if err == nil {
		err = old.Commit()
	}
	if err == nil {
		t.Errorf("isolation level %v, %d before: token 7 is accepted after 9", level, before)
	}
	if level == sql.LevelReadCommitted && !errors.Is(err, fence.ErrStale) {
		t.Errorf("isolation level %v: %v, want ErrStale", level, err)
	}
}

func begin(t *testing.T, db *sql.DB, o *sql.TxOptions) *sql.Tx {
	t.Helper()
	tx, err := db.BeginTx(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return tx
}
