package sqltest_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/singleton-go/singleton/fence/sqlfence"
)

func TestMain(m *testing.M) {
	code := m.Run()
	postgres.end()
	mariadb.end()
	os.Exit(code)
}

var postgres = &server{
	name: "postgres", pkg: "postgresql", account: "postgres", stop: syscall.SIGINT,
	setup: func(dir string) ([]string, error) {
		initdb, err := program("initdb", "/usr/lib/postgresql/*/bin")
		return []string{initdb, "-D", dir + "/data", "-U", "fence", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"}, err
	},
	run: func(dir string) ([]string, error) {
		run, err := program("postgres", "/usr/lib/postgresql/*/bin")
		return []string{run, "-D", dir + "/data", "-k", dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "autovacuum=off"}, err
	},
	ready: func(ctx context.Context, dir string) error { return ping(ctx, "pgx", postgresDSN(dir, "public")) },
}

var mariadb = &server{
	name: "mariadb", pkg: "mariadb-server", account: "mysql", stop: syscall.SIGTERM,
	setup: func(dir string) ([]string, error) {
		install, err := program("mariadb-install-db")
		return []string{
			install, "--no-defaults", "--datadir=" + dir + "/data", "--auth-root-authentication-method=normal", "--skip-test-db",
		}, err
	},
	run: func(dir string) ([]string, error) {
		run, err := program("mariadbd", "/usr/sbin", "/usr/libexec")
		return []string{
			run, "--no-defaults", "--datadir=" + dir + "/data", "--socket=" + dir + "/socket", "--pid-file=" + dir + "/pid",
			"--skip-networking", "--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync",
		}, err
	},
	ready: func(ctx context.Context, dir string) error { return ping(ctx, "mysql", mariadbDSN(dir, "", "")) },
}

// postgresDSN is that of a schema, since a whole database takes long to create.
func postgresDSN(dir, schema string) string {
	return fmt.Sprintf("host=%s user=fence dbname=postgres search_path=%s", dir, schema)
}

func mariadbDSN(dir, name, options string) string {
	return fmt.Sprintf("root@unix(%s/socket)/%s?%s", dir, name, options)
}

func ping(ctx context.Context, driver, dsn string) error {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	return db.PingContext(ctx)
}

// A product is one way to run the tests.
type product struct {
	name    string
	dialect sqlfence.Dialect

	// fresh opens a new, empty database or schema.
	fresh func(t *testing.T) *sql.DB
}

var products = []product{
	{"PostgreSQL", sqlfence.PostgreSQL, freshPostgres},
	{"MariaDB", sqlfence.MySQL, func(t *testing.T) *sql.DB { return freshMariaDB(t, "") }},
	// There the number of affected rows has another meaning.
	{"MariaDB, clientFoundRows", sqlfence.MySQL, func(t *testing.T) *sql.DB { return freshMariaDB(t, "clientFoundRows=true") }},
	{"SQLite", sqlfence.SQLite, func(t *testing.T) *sql.DB { return freshSQLite(t, "busy_timeout(20000)") }},
	{"SQLite, WAL", sqlfence.SQLite, func(t *testing.T) *sql.DB {
		return freshSQLite(t, "busy_timeout(20000)", "journal_mode(WAL)")
	}},
}

// each runs a test on every product, with a database that has the fence installed.
func each(t *testing.T, test func(t *testing.T, p product, db *sql.DB)) {
	t.Helper()
	for _, p := range products {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			db := p.fresh(t)
			if err := p.dialect.Install(t.Context(), db); err != nil {
				t.Fatal(err)
			}
			test(t, p, db)
		})
	}
}

var databases atomic.Int64

func freshPostgres(t *testing.T) *sql.DB {
	t.Helper()
	dir := postgres.need(t)
	name := fmt.Sprintf("t%d", databases.Add(1))
	execute(t, open(t, "pgx", postgresDSN(dir, "public")), "CREATE SCHEMA "+name)
	return open(t, "pgx", postgresDSN(dir, name))
}

func freshMariaDB(t *testing.T, options string) *sql.DB {
	t.Helper()
	dir := mariadb.need(t)
	name := fmt.Sprintf("t%d", databases.Add(1))
	execute(t, open(t, "mysql", mariadbDSN(dir, "", "")), "CREATE DATABASE "+name)
	return open(t, "mysql", mariadbDSN(dir, name, options))
}

func freshSQLite(t *testing.T, pragmas ...string) *sql.DB {
	t.Helper()
	options := url.Values{"_pragma": append(pragmas, "synchronous(OFF)")}
	db := open(t, "sqlite", "file:"+filepath.Join(t.TempDir(), "db")+"?"+options.Encode())
	if err := db.PingContext(t.Context()); err != nil { // several that change the journal's mode at once would fail
		t.Fatal(err)
	}
	return db
}

func open(t *testing.T, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func execute(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}
