// Package sqlfence fences rows of an SQL database: a transaction of an older term is refused once one of a newer term has
// begun to write.
//
//	err := sqlfence.PostgreSQL.Tx(ctx, db, "invoices", term, func(tx *sql.Tx) error {
//		_, err := tx.ExecContext(ctx, `UPDATE invoices SET void = true WHERE due < now()`)
//		return err
//	})
//
// The highest token of each resource and election is a row in the table singleton_fence, which [Dialect.Install] creates. A
// fenced transaction first raises that row to its own token, and so holds the row's lock until it commits. One of an older
// term that comes then waits, and finds itself refused; one of a newer term waits for the older to commit or roll back. So
// effects of two terms are never mixed, whatever isolation level the rest of the work needs.
//
// # One statement before the work
//
// Whoever begins and commits transactions in another way calls [Dialect.Check] in them, before any other statement, and
// outside of savepoints: going back to one would undo the check, and free the row.
// Several resources in one transaction are several calls; always in the same order, or two transactions may deadlock.
//
// # When the database fails a transaction
//
// PostgreSQL at REPEATABLE READ or above, and every database that finds a deadlock, fail a transaction that met another one
// (SQLSTATE 40001 or 40P01; MySQL and MariaDB have errors 1020 and 1205 besides). That is neither an acceptance nor a refusal.
// The error comes as the driver returns it, and nothing is tried again here: roll back, and begin again with work that may
// run again.
//
// SQLite has one writer at a time, and fails another with "database is locked" unless a busy timeout is set. Check needs no
// BEGIN IMMEDIATE, since it writes first. A transaction that reads before it needs one (_txlock=immediate in the data
// source's name), or may fail whatever the timeout is.
//
// # Limits
//
//   - A process that is paused inside a fenced transaction holds the row's lock, and newer terms wait until their contexts end. Have the
//     database end idle transactions: idle_in_transaction_session_timeout in PostgreSQL, idle_transaction_timeout in MariaDB,
//     wait_timeout in MySQL. SQLite has nothing alike.
//   - All writers must find the same table: the same database, and in PostgreSQL the same schema by their search_path.
//   - Rows are locked on one server. Where several take writes for each other (Galera, Group Replication), send fenced
//     transactions to one of them.
//   - The token row is as durable as the effects, since both are committed together. A database that falls back to an older
//     state forgets both.
//   - In MySQL and MariaDB, statements that commit implicitly (such as CREATE TABLE) end the fence where they stand.
//
// The dialects are tested with pgx, go-sql-driver/mysql and modernc.org/sqlite, on real servers (fence/sqlfence/sqltest).
// MySQL itself is served by the statements tested on MariaDB.
package sqlfence

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/singleton-go/singleton/fence"
)

// Tx runs work in a transaction of its own, at the database's default isolation level, and commits if work returns nil. If
// the term is too old, it returns without calling work. Only what work does through tx is fenced.
//
// The error is a [*fence.StaleError] if a newer term has been at the resource, [fence.ErrNoTerm] or [fence.ErrInvalid] for
// what is no term or no name, what work returns, or the database's. After any of them the transaction has no effect, except where
// the commit itself failed: whether that happened, only the database knows.
func (d Dialect) Tx(ctx context.Context, db *sql.DB, resource string, term fence.Term, work func(tx *sql.Tx) error) error {
	if err := d.validate(resource, term); err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("fenced transaction: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // for every way out but a commit, which it leaves alone
	if err := d.Check(ctx, tx, resource, term); err != nil {
		return err
	}
	if err := work(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		if errors.Is(err, sql.ErrTxDone) && ctx.Err() != nil {
			err = context.Cause(ctx) // which has rolled it back
		}
		return fmt.Errorf("fenced transaction: %w", err)
	}
	return nil
}

// Check is the statement to put before the work of a transaction: it raises the resource's highest token to the term's, and
// keeps other terms out until the transaction ends. It returns the same errors as [Dialect.Tx]; after an error, roll back.
func (d Dialect) Check(ctx context.Context, tx *sql.Tx, resource string, term fence.Term) error {
	if err := d.validate(resource, term); err != nil {
		return err
	}
	newest, err := d.raise(ctx, tx, resource, term)
	if err != nil {
		return fmt.Errorf("check token %d of election %q for resource %q: %w", term.Token(), term.Election(), resource, err)
	}
	return fence.Check(resource, term, newest)
}

// Install creates the table singleton_fence unless it is there. It may run in several processes at once. [Dialect.Schema]
// is for those who create tables in another way.
func (d Dialect) Install(ctx context.Context, db *sql.DB) error {
	if err := d.known(); err != nil {
		return err
	}
	if d.text().solo == "" {
		if _, err := db.ExecContext(ctx, d.text().schema); err != nil {
			return fmt.Errorf("install fence: %w", err)
		}
		return nil
	}
	return d.installAlone(ctx, db)
}

func (d Dialect) installAlone(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("install fence: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // for every way out but a commit, which it leaves alone
	for _, statement := range []string{d.text().solo, d.text().schema} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("install fence: %w", err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("install fence: %w", err)
	}
	return nil
}

// Schema is the statement that creates the table.
func (d Dialect) Schema() string { return d.text().schema }

// Reset forgets the highest token of one resource and election, and logs it; see [fence.Reset]. It waits for transactions of
// that resource and election that are under way.
func (d Dialect) Reset(ctx context.Context, db *sql.DB, r fence.Reset) error {
	if err := errors.Join(d.known(), r.Validate()); err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("reset fence: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // for every way out but a commit, which it leaves alone
	newest, err := d.forget(ctx, tx, r.Resource, r.Election)
	if err != nil {
		return fmt.Errorf("reset fence: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("reset fence: %w", err)
	}
	r.Log(ctx, newest)
	return nil
}

func (d Dialect) validate(resource string, term fence.Term) error {
	if err := d.known(); err != nil {
		return err
	}
	if err := fence.ValidateResource(resource); err != nil {
		return err
	}
	return fence.Check(resource, term, 0)
}
