// Package fence is the check at the resource: what an older term of leadership writes is refused once a newer term has
// been there.
//
// No lease can rule out that a paused process wakes up and goes on writing after another was elected. But every term has a
// fencing token, and the tokens of one election rise with every term. So the resource itself can tell an old leader from a new one,
// by one rule:
//
//	a token is accepted if it is at least the highest that this resource has seen of this election,
//	and that highest token is recorded in the same step as the effect.
//
//	term 7   ──── effect ──── pause ································ effect ──► refused: 7 < 9
//	term 9                             ──── effect ──► accepted
//	resource      newest 7             newest 9                      newest 9
//
// The token must reach the resource. Checking it before the effect, in a step of its own, protects nothing: the pause fits
// between the two. So each part here keeps check and effect together, by the means of its resource:
//
//   - [Gate], in this package: something in this process's memory, guarded for as long as the process lives.
//   - fence/sqlfence: rows in PostgreSQL, MySQL, MariaDB or SQLite, in the transaction that changes them.
//   - fence/filefence: a file on this machine, appended to or replaced under a kernel lock.
//   - fence/httpfence: requests to an HTTP server, and the client's side of them.
//   - fence/grpcfence: the same for gRPC (a module of its own).
//   - fence/etcdfence: keys in etcd, in one transaction with the effect (a module of its own).
//
// They all need a [Term]. Those of package election are; [NewTerm] makes one from a token that came another way. They all
// refuse alike: [ErrStale], as a [*StaleError] that names both tokens, [ErrInvalid] for what is no token, [ErrNoTerm] where
// none is given. The repository's docs/fencing.md says which one is for what, and how to write a check of one's own.
//
// # Resources and elections
//
// Tokens of different elections can't be compared, so the highest token is kept for each pair of resource and election. Two
// elections that write to one resource don't hinder each other, and are not protected from each other. A resource is whatever
// must not see effects out of order; its name is chosen by the user, and all writers must use the same.
//
// # After a restore
//
// Tokens never fall in the store of the elections while it lives. If it is replaced or restored from a backup, new terms may
// have lower tokens than the resource has seen, and are refused: that is safe, and stays so until a person says otherwise.
// Each part has a Reset for that, which takes a [Reset] with the reason and logs it. Stop the candidates of
// the election first, since a reset lets every older term in again.
package fence
