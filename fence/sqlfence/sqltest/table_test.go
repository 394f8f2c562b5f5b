package sqltest_test

import (
	"bytes"
	"database/sql"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/singleton-go/singleton/fence"
	"github.com/singleton-go/singleton/fence/sqlfence"
)

func TestSeveralInstallAtOnce(t *testing.T) {
	t.Parallel()
	for _, p := range products {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			db := p.fresh(t)
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					if err := p.dialect.Install(t.Context(), db); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			if err := p.dialect.Tx(t.Context(), db, "r", term(7), nothing); err != nil {
				t.Error(err)
			}
			if err := p.dialect.Install(t.Context(), db); err != nil {
				t.Errorf("again: %v", err)
			}
			if err := p.dialect.Tx(t.Context(), db, "r", term(6), nothing); !errors.Is(err, fence.ErrStale) {
				t.Errorf("Install has forgotten the tokens: %v", err)
			}
		})
	}
}

func TestResetIsForOnePairAndIsLogged(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p product, db *sql.DB) {
		for _, resource := range []string{"r", "s"} {
			if err := p.dialect.Tx(t.Context(), db, resource, term(9), nothing); err != nil {
				t.Fatal(err)
			}
		}
		var out bytes.Buffer
		r := fence.Reset{
			Resource: "r", Election: election, Reason: "restored", Logger: slog.New(slog.NewTextHandler(&out, nil)),
		}
		if err := p.dialect.Reset(t.Context(), db, r); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), "newest=9") || !strings.Contains(out.String(), "restored") {
			t.Errorf("log: %q", out.String())
		}
		if err := p.dialect.Tx(t.Context(), db, "r", term(3), nothing); err != nil {
			t.Errorf("after the reset: %v", err)
		}
		if err := p.dialect.Tx(t.Context(), db, "r", term(2), nothing); !errors.Is(err, fence.ErrStale) {
			t.Errorf("the rule holds no more after a reset: %v", err)
		}
		if err := p.dialect.Tx(t.Context(), db, "s", term(3), nothing); !errors.Is(err, fence.ErrStale) {
			t.Errorf("the other resource was reset too: %v", err)
		}
		r.Resource = "unknown"
		if err := p.dialect.Reset(t.Context(), db, r); err != nil || !strings.Contains(out.String(), "newest=0") {
			t.Errorf("reset of nothing: %v, log: %q", err, out.String())
		}
		r.Reason = ""
		if err := p.dialect.Reset(t.Context(), db, r); !errors.Is(err, fence.ErrInvalid) {
			t.Errorf("reset without a reason: %v", err)
		}
	})
}

func TestMariaDBTableHasTransactionsWhateverTheDefaultEngine(t *testing.T) {
	t.Parallel()
	db := freshMariaDB(t, "default_storage_engine=MyISAM&collation=utf8mb4_general_ci")
	if err := sqlfence.MySQL.Install(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	var engine string
	err := db.QueryRowContext(t.Context(), `SELECT engine FROM information_schema.tables
WHERE table_schema = database() AND table_name = 'singleton_fence'`).Scan(&engine)
	if err != nil || engine != "InnoDB" {
		t.Errorf("engine %q, %v", engine, err)
	}
}

// Without a busy timeout SQLite does not wait. That is an error, and neither an acceptance nor a refusal.
func TestSQLiteWithoutABusyTimeout(t *testing.T) {
	t.Parallel()
	db := freshSQLite(t, "busy_timeout(0)")
	if err := sqlfence.SQLite.Install(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	tx := begin(t, db, nil)
	if err := sqlfence.SQLite.Check(t.Context(), tx, "r", term(7)); err != nil {
		t.Fatal(err)
	}
	err := sqlfence.SQLite.Tx(t.Context(), db, "r", term(9), nothing)
	if err == nil || errors.Is(err, fence.ErrStale) || !strings.Contains(err.Error(), "locked") {
		t.Errorf("got %v", err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := sqlfence.SQLite.Tx(t.Context(), db, "r", term(8), nothing); err != nil {
		t.Errorf("the one that was locked out has left a token: %v", err)
	}
}

// A transaction that reads before it calls Check fails where another one has committed meanwhile, unless it began as a writer.
func TestSQLiteThatReadsFirst(t *testing.T) {
	t.Parallel()
	for _, immediate := range []bool{false, true} {
		dsn := "file:" + filepath.Join(t.TempDir(), "db") + "?_pragma=busy_timeout(20000)&_pragma=journal_mode(WAL)"
		if immediate {
			dsn += "&_txlock=immediate"
		}
		db := open(t, "sqlite", dsn)
		if err := sqlfence.SQLite.Install(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		tx := begin(t, db, nil)
		var n int
		if err := tx.QueryRowContext(t.Context(), "SELECT count(*) FROM singleton_fence").Scan(&n); err != nil {
			t.Fatal(err)
		}
		var other sync.WaitGroup
		other.Go(func() {
			if err := sqlfence.SQLite.Tx(t.Context(), db, "r", term(7), nothing); immediate == (err == nil) {
				t.Errorf("immediate: %v; an older term while a newer one reads and writes: %v", immediate, err)
			}
		})
		if !immediate {
			other.Wait() // it got in between
		}
		err := sqlfence.SQLite.Check(t.Context(), tx, "r", term(9))
		if immediate != (err == nil) {
			t.Errorf("immediate: %v; check after a read: %v", immediate, err)
		}
		if err == nil {
			err = tx.Commit()
		} else {
			err = tx.Rollback()
		}
		if err != nil {
			t.Error(err)
		}
		other.Wait() // where it had to wait, it found itself refused
	}
}
