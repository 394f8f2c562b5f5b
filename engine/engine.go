// Package engine is the contract between this library and the stores that it runs on.
//
// A store offers leased records, with an order and a watch. Everything else (elections, the registry of nodes and units,
// wishes) is built once, above this contract, so an engine stays small. The duties below are numbered; package
// [github.com/singleton-go/singleton/engine/enginetest] has a case for each, and an engine is done when they all pass.
//
// # Sessions
//
//  1. A session's ID is never used again by any other session of the same store.
//  2. A session lives for its granted TTL after the store received its opening or its last successful renewal, and possibly
//     longer. It never ends earlier on its own, except by [Session.Close] or [Ender].
//  3. Death is decided once, in the store's own order. A renewal that arrives after the end is [ErrLost], even where nobody has
//     removed the session's records yet; it never brings a session back.
//  4. All records of a session end with it, in one step. No reader drops a record by its own clock, and no record of an ended
//     session is yielded to a watch that starts later.
//  5. A renewal proves that this is still the same store. Where the store was replaced or went back to an older state, the
//     renewal is [ErrRewound], and so is every later call of the same Engine value: nobody leads on such a store until told to.
//  6. Close ends the session at once. It is safe to repeat, and it returns when its context ends, also when cut off.
//
// # Records
//
//  7. Created strictly rises within one queue (the records whose keys are alike up to their last slash) and never falls in the
//     whole store, not even after the store was wiped or the machine was started again. It is never 0.
//  8. Create never overwrites: where the key is taken it returns the record that is there, with [ErrExists].
//  9. Replace and Delete name one creation. A late or repeated request for an older one changes nothing.
//  10. A call whose reply was lost, or whose context ended, has happened or has not, or happens later; calling again finds out.
//     It never harms another creation.
//  11. Keys and values are kept byte for byte: keys are 1 to 1024 bytes of UTF-8 text, values 0 bytes to 1 MiB. A key that is a
//     prefix of another has nothing to do with it.
//
// # Watches
//
//  12. The first update is a reset that holds the whole state under the prefix. Every later change follows, each once, in the
//     store's order. A watch that breaks yields an error and ends, or yields another reset: never a silent gap.
//  13. Order: a reader that sees a record has seen every record that was created before it in the same queue, whoever wrote
//     them and whatever happened to the connection meanwhile.
//  14. An update is one atomic step of the store, or several whole ones. All deletions of one expiry come together.
//  15. Progress: at least once every [WatchOptions.Progress] an update says, in AsOf, up to when the watch is complete. A watch
//     that can't say so yields an error and ends, or stays silent; it never claims what it doesn't know.
//  16. A slow reader of one watch delays no other watch and no call.
//
// # All calls
//
//  17. Every call returns soon after its context ends, and leaves no goroutine behind; so does a watch whose loop is left.
//  18. All methods may be called from several goroutines at once.
//  19. Nobody can be stopped (SIGSTOP, a debugger) at a place where others then wait for it.
//  20. No wall clock crosses the contract: it speaks in durations, and AsOf is a reading of this process's own monotonic clock.
package engine

import (
	"context"
	"iter"
	"time"
)

// An Engine is one process's way to a store. It is safe for concurrent use.
type Engine interface {
	// Open starts a session. It returns when the store has granted it.
	Open(ctx context.Context, o SessionOptions) (Session, error)

	// Watch yields the records whose keys begin with o.Prefix: the whole state first, then every change, in order, until the
	// loop is left or ctx ends (both end the sequence without an error). A non-nil error is the last thing that it yields; the
	// caller watches again. It needs no session.
	Watch(ctx context.Context, o WatchOptions) iter.Seq2[Update, error]
}

// SessionOptions say what session is wanted.
type SessionOptions struct {
	// TTL is how long the session shall outlive its last renewal. An engine may grant more, never less; one that can't
	// serve a value at all refuses it with an error that names the value.
	TTL time.Duration

	// Owner names the process for people who look into the store. It has no other meaning and may be empty.
	Owner string
}

// WatchOptions say what shall be watched.
type WatchOptions struct {
	// Prefix is what the keys begin with, byte for byte.
	Prefix string

	// Progress is how often the watch shall say how far it is, at least; 0 means never.
	Progress time.Duration
}

// A Session is one lease on the store. Its records vanish with it.
type Session interface {
	// ID is unique among all sessions that the store ever had. It has no slash.
	ID() string

	// TTL is the granted time to live; it may be more than was asked for, and stays the same.
	TTL() time.Duration

	// Renew returns nil if the session was alive when the store received the request, and then lives for a whole TTL from
	// that receipt. [ErrLost] and [ErrRewound] are final. Any other error says nothing about the session: try again.
	Renew(ctx context.Context) error

	// Create writes a new record that belongs to this session. Where the key is taken it returns the present record and
	// [ErrExists]; where the session has ended, [ErrLost].
	Create(ctx context.Context, key string, value []byte) (Record, error)

	// Replace changes the value of exactly r (its Key and Created), whichever session r belongs to; the record keeps its
	// session and its Created. It returns [ErrGone] if that record is no longer there.
	Replace(ctx context.Context, r Record, value []byte) (Record, error)

	// Delete removes exactly r (its Key and Created), whichever session r belongs to. A record that is no longer there is
	// no error. It works for as long as the store is reachable, also after the session has ended.
	Delete(ctx context.Context, r Record) error

	// Close ends the session and removes its records at once. Closing an ended session is no error.
	Close(ctx context.Context) error
}

// A Record is a key and a value that live as long as a session.
type Record struct {
	Key     string
	Value   []byte // not to be changed by the receiver
	Session string // ID of the session that created it
	Created uint64 // when it was created, in the store's own order
}

// A Change is one record that now has this value, or is gone.
type Change struct {
	Record  Record // of a deleted record, Key alone is sure to be set
	Deleted bool
}

// An Update is what a watch yields: a reset, changes, a progress mark, or a mark together with one of the others.
type Update struct {
	// Reset says that Changes holds the whole state, and that anything yielded before is void.
	Reset bool

	// Changes are to be applied in this order, all of them before anybody judges the outcome.
	Changes []Change

	// AsOf, unless zero, is a reading of this process's clock: every change that the store committed before this instant has
	// been yielded, this update included. It is taken before the request that proved it.
	AsOf time.Time
}

// An Ender can end sessions that other processes opened. It serves helpers that outlive a crashed process.
type Ender interface {
	// End ends the session with this ID, and removes its records at once. A session that is unknown or has already ended is no
	// error.
	End(ctx context.Context, sessionID string) error
}
