package sqltest_test

import (
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/singleton-go/singleton/fence"
	"github.com/singleton-go/singleton/fence/sqlfence"
)

const (
	connections = 8
	rounds      = 6 // with a resource that nobody has used before in each
	effects     = 6 // tried by each connection in each round
)

// A contest says how the connections go about it.
type contest struct {
	name     string
	fickle   bool           // some roll back, first inserts among them: who waits for one has no row to update then
	options  *sql.TxOptions // for transactions of one's own; nil means Tx
	mayClash bool           // the database may fail a transaction that met another one
}

// Many connections write to one resource with rising and stale tokens, from its first use on, where there is no row to lock
// yet. The invariant is checked at the resource: each effect finds the token of the one before, and it is not higher.
func TestAcceptedTokensNeverFall(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p product, db *sql.DB) {
		contests := []contest{
			{name: "firm"},
			{name: "fickle", fickle: true, mayClash: p.dialect == sqlfence.MySQL},
			{name: "serializable", fickle: true, mayClash: true, options: &sql.TxOptions{Isolation: sql.LevelSerializable}},
		}
		if p.dialect != sqlfence.SQLite {
			contests = append(contests, contest{
				name: "repeatable-read", fickle: true, mayClash: true, options: &sql.TxOptions{Isolation: sql.LevelRepeatableRead},
			})
		}
		db.SetMaxOpenConns(connections)
		execute(t, db, "CREATE TABLE history (resource varchar(100) NOT NULL, place int NOT NULL, token bigint NOT NULL)")
		for _, c := range contests {
			counts := new(tally)
			for round := range rounds {
				contend(t, db, p.dialect, c, fmt.Sprintf("%s/%d", c.name, round), counts)
			}
			t.Logf("%s: %d accepted, %d refused, %d clashes", c.name, counts.accepted, counts.refused, counts.clashes)
			if counts.accepted < rounds || counts.refused == 0 {
				t.Errorf("%s: this tested nothing", c.name)
			}
		}
	})
}

// A tally counts what became of the tries.
type tally struct {
	mu                         sync.Mutex
	accepted, refused, clashes int
}

var errFickle = errors.New("changed my mind")

func (c *tally) note(t *testing.T, of contest, err error) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil:
		c.accepted++
	case errors.Is(err, fence.ErrStale):
		c.refused++
	case of.mayClash && strings.Contains(err.Error(), "40001"): // SQL's own number for it
		c.clashes++
	case !errors.Is(err, errFickle):
		t.Errorf("%s: %v", of.name, err)
	}
}

// contend runs one round.
func contend(t *testing.T, db *sql.DB, d sqlfence.Dialect, c contest, resource string, counts *tally) {
	t.Helper()
	var next atomic.Uint64
	start := make(chan struct{})
	var all sync.WaitGroup
	for range connections {
		all.Go(func() {
			<-start
			for range effects {
				token := max(1, next.Add(rand.Uint64N(2))+1-rand.Uint64N(2))
				counts.note(t, c, try(t, db, d, c, resource, token))
			}
		})
	}
	close(start)
	all.Wait()
	checkHistory(t, db, resource)
}

func try(t *testing.T, db *sql.DB, d sqlfence.Dialect, c contest, resource string, token uint64) error {
	t.Helper()
	work := func(tx *sql.Tx) error {
		err := effect(t, tx, resource, token)
		if err == nil && c.fickle && rand.IntN(4) == 0 {
			err = errFickle
		}
		return err
	}
	if c.options == nil {
		return d.Tx(t.Context(), db, resource, term(token), work)
	}
	tx, err := db.BeginTx(t.Context(), c.options)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if err := d.Check(t.Context(), tx, resource, term(token)); err != nil {
		return err
	}
	if err := work(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// effect writes the token behind those of the round. It takes no lock that would do the fence's work: two at once would
// write to the same place.
func effect(t *testing.T, tx *sql.Tx, resource string, token uint64) error {
	t.Helper()
	var place int
	var last uint64
	find := fmt.Sprintf("SELECT coalesce(max(place), 0), coalesce(max(token), 0) FROM history WHERE resource = '%s'", resource)
	if err := tx.QueryRowContext(t.Context(), find).Scan(&place, &last); err != nil {
		return err
	}
	if last > token {
		t.Errorf("%s: token %d is accepted after %d", resource, token, last)
	}
	_, err := tx.ExecContext(t.Context(), fmt.Sprintf("INSERT INTO history VALUES ('%s', %d, %d)", resource, place+1, token))
	return err
}

// checkHistory wants the effects of a resource one behind the other, and their tokens never falling.
func checkHistory(t *testing.T, db *sql.DB, resource string) {
	t.Helper()
	read := fmt.Sprintf("SELECT place, token FROM history WHERE resource = '%s' ORDER BY place, token", resource)
	rows, err := db.QueryContext(t.Context(), read)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var highest uint64
	for want := 1; rows.Next(); want++ {
		var place int
		var token uint64
		if err := rows.Scan(&place, &token); err != nil {
			t.Fatal(err)
		}
		if place != want {
			t.Errorf("%s: place %d where %d is expected: two transactions were inside at once", resource, place, want)
			return
		}
		if token < highest {
			t.Errorf("%s: token %d at place %d, behind %d", resource, token, place, highest)
		}
		highest = token
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}
