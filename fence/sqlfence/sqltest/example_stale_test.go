package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/singleton-go/singleton/fence"
	"github.com/singleton-go/singleton/fence/sqlfence"
)

// Two leaders void invoices. The older one was paused, and goes on after its successor has begun.
func Example() {
	dir, err := os.MkdirTemp("", "invoices")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx := context.Background()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "db")+"?_pragma=busy_timeout(5000)")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if err := sqlfence.SQLite.Install(ctx, db); err != nil {
		log.Fatal(err)
	}
	if _, err := db.ExecContext(ctx, `CREATE TABLE invoices (id integer, voided_in integer)`); err != nil {
		log.Fatal(err)
	}

	for _, token := range []int64{7, 9, 7} {
		term := fence.NewTerm("worker/billing", uint64(token))
		err := sqlfence.SQLite.Tx(ctx, db, "invoices", term, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, `INSERT INTO invoices VALUES (1, ?)`, token)
			return err
		})
		if stale, ok := errors.AsType[*fence.StaleError](err); ok {
			fmt.Printf("token %d is refused: %d was there\n", stale.Token, stale.Newest)
		} else {
			fmt.Println("token", token, "is accepted:", err)
		}
	}
	// Output:
	// token 7 is accepted: <nil>
	// token 9 is accepted: <nil>
	// token 7 is refused: 9 was there
}
