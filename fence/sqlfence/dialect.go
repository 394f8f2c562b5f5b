package sqlfence

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/singleton-go/singleton/fence"
)

// A Dialect is the SQL of one kind of database. Its zero value is none.
type Dialect int

// The dialects. There is no guessing: what a driver calls itself, and which statement only one database understands, both
// fail behind a wrapper or a proxy.
const (
	PostgreSQL Dialect = 1 + iota // and what speaks its protocol and has ON CONFLICT
	MySQL                         // and MariaDB; tables of the InnoDB engine alone are fenced
	SQLite                        // from version 3.35 on
)

// String returns the product's name.
func (d Dialect) String() string {
	if d.known() != nil {
		return fmt.Sprintf("Dialect(%d)", int(d))
	}
	return d.text().name
}

// statements are a dialect's. The parameters are resource, election and token, in this order, as far as they occur.
type statements struct {
	name   string
	schema string

	// solo, put before schema in a transaction, keeps several Installs from meeting. It is empty where CREATE TABLE IF NOT EXISTS
	// does so by itself.
	solo string

	// raise inserts the row or raises its token, and locks it in either case; forget removes it. Both return the token that
	// the row has, or had, unless newest is set: the statement that then reads it, and locks the row.
	raise, forget, newest string
}

const (
	// In the C locale names are compared byte for byte, and the planner can use the index whatever the database's locale.
	postgresSchema = `CREATE TABLE IF NOT EXISTS singleton_fence (
	resource varchar(255) COLLATE "C" NOT NULL,
	election varchar(255) COLLATE "C" NOT NULL,
	token bigint NOT NULL CHECK (token > 0),
	PRIMARY KEY (resource, election)
)`

	// The default engine may be one without transactions, and the default collation one that ignores case.
	mysqlSchema = `CREATE TABLE IF NOT EXISTS singleton_fence (
	resource varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
	election varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
	token bigint NOT NULL CHECK (token > 0),
	PRIMARY KEY (resource, election)
) ENGINE=InnoDB`

	sqliteSchema = `CREATE TABLE IF NOT EXISTS singleton_fence (
	resource text NOT NULL,
	election text NOT NULL,
	token integer NOT NULL CHECK (token > 0),
	PRIMARY KEY (resource, election)
) WITHOUT ROWID`
)

// All three raise in one statement, which decides a race of two first inserts: the loser waits for the winner's transaction,
// and then updates its row. The update happens for an equal token and a stale one too, since only a written row stays locked
// everywhere. It changes nothing then: the row keeps the higher token.
var dialects = map[Dialect]statements{
	PostgreSQL: {
		name:   "PostgreSQL",
		schema: postgresSchema,
		solo:   `SELECT pg_advisory_xact_lock(7301844403122894)`, // a number of our own; two equal CREATEs at once fail
		raise: `INSERT INTO singleton_fence AS f (resource, election, token) VALUES ($1, $2, $3)
ON CONFLICT (resource, election) DO UPDATE SET token = GREATEST(f.token, EXCLUDED.token) RETURNING token`,
		forget: `DELETE FROM singleton_fence WHERE resource = $1 AND election = $2 RETURNING token`,
	},
	// The number of affected rows would tell insert from update from nothing, but a setting of the connection changes it. So
	// the token is read afterwards, by a locking read: a plain one may show the transaction's snapshot.
	MySQL: {
		name:   "MySQL",
		schema: mysqlSchema,
		raise: `INSERT INTO singleton_fence (resource, election, token) VALUES (?, ?, ?)
ON DUPLICATE KEY UPDATE token = GREATEST(token, VALUES(token))`,
		forget: `DELETE FROM singleton_fence WHERE resource = ? AND election = ?`,
		newest: `SELECT token FROM singleton_fence WHERE resource = ? AND election = ? FOR UPDATE`,
	},
	// The write makes this transaction the database's only writer until it ends.
	SQLite: {
		name:   "SQLite",
		schema: sqliteSchema,
		raise: `INSERT INTO singleton_fence (resource, election, token) VALUES (?, ?, ?)
ON CONFLICT (resource, election) DO UPDATE SET token = max(token, excluded.token) RETURNING token`,
		forget: `DELETE FROM singleton_fence WHERE resource = ? AND election = ? RETURNING token`,
	},
}

func (d Dialect) text() statements { return dialects[d] }

func (d Dialect) known() error {
	if _, ok := dialects[d]; !ok {
		return fmt.Errorf("dialect %d: not one of PostgreSQL, MySQL, SQLite", int(d))
	}
	return nil
}

// raise returns the highest token, the term's own included. The row is locked then.
func (d Dialect) raise(ctx context.Context, tx *sql.Tx, resource string, term fence.Term) (uint64, error) {
	text, election := d.text(), term.Election()
	token := int64(term.Token()) // at most fence.MaxToken, as validate has seen to
	if text.newest == "" {
		return scan(tx.QueryRowContext(ctx, text.raise, resource, election, token))
	}
	if _, err := tx.ExecContext(ctx, text.raise, resource, election, token); err != nil {
		return 0, err
	}
	return scan(tx.QueryRowContext(ctx, text.newest, resource, election))
}

// forget removes the row and returns its token, 0 if there is none.
func (d Dialect) forget(ctx context.Context, tx *sql.Tx, resource, election string) (uint64, error) {
	text := d.text()
	read := text.newest
	if read == "" {
		read = text.forget
	}
	newest, err := scan(tx.QueryRowContext(ctx, read, resource, election))
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil || text.newest == "" {
		return newest, err
	}
	_, err = tx.ExecContext(ctx, text.forget, resource, election)
	return newest, err
}

func scan(row *sql.Row) (uint64, error) {
	var token int64
	if err := row.Scan(&token); err != nil {
		return 0, err
	}
	if token <= 0 {
		return 0, fmt.Errorf("%w: singleton_fence has token %d", fence.ErrInvalid, token)
	}
	return uint64(token), nil
}
