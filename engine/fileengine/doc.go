// Package fileengine elects among the processes of one machine. Its store is a directory: there is no server, a crashed
// process is replaced as soon as the kernel has closed its files, and no TTL is waited for.
//
// # What is promised, and what is not
//
// Every process of one user that names the same directory takes part. A process that is killed, or stopped (SIGSTOP, a
// debugger) at any instruction, leaves a store that the others read and write on: nobody ever waits for a lock, and every
// change appears by one link(2) of a file that is complete.
//
//   - A session lives until it is closed, until [Engine.End], or until its process has died; the TTL is granted as asked, and
//     its end ends nothing in the store. A process that is stopped or hangs keeps its place for as long as that lasts. Where
//     that is too long, end the session by its ID ([Engine.End]), or kill the process.
//   - The trust of the holder is bounded by the TTL all the same: a process that can't renew stops its work in time.
//   - One machine means one kernel. A directory on a network file system is refused, with the reason.
//   - The directory belongs to one user and is closed to all others (mode 0700, files 0600), or it is refused.
//   - A directory that is removed or replaced ends the sessions of all who use it: their next renewal, and their watches, say
//     [engine.ErrRewound].
//   - No part of it survives a restart of the machine but the counter, and none of it needs to: no process survives either. A
//     crash of the machine can't lower Created.
//   - A renewal writes nothing, and neither does anything else while nobody campaigns, resigns or dies.
//   - A disk that hangs, hangs the call that waits for it; trust ends meanwhile as it does without a store.
//
// Other files in the directory are left alone; who removes the engine's own by hand breaks its promises. Sweepers of
// temporary files are kept out by a lock on the directory, as systemd-tmpfiles heeds it, but better choose a place that
// nobody sweeps.
//
// # The directory
//
//	ceiling.{number}          numbers up to this one may have been given out; the only thing that is fsync'ed
//	v1.{boot id}/             the store since the machine was started
//	    log/{number}          one change each, in JSON, numbered without a gap
//	    state/{number}        everything after that change, in JSON
//	    session/{id}          a FIFO that the session's process holds open and locked
//	    session/{id}.end      the change that ends this session, ready to be linked into the log
//	    draft/{name}          changes and states that are being written
//
// # How a change is made
//
// A process reads the log up to its end, at number n, and so knows the state. It decides what follows from that state, writes
// it to a draft, and links the draft to log/{n+1}. Where another process was first, the link fails; it reads on and decides
// anew. So the name is at once the claim of a number, the proof that the decision rests on the latest state, and the moment
// from which everybody sees the change. Created is the number of the change.
//
// Readers learn of it by inotify on log. The events say nothing but "look again", so lost ones or a queue that overflows do
// no harm.
//
// # How a session ends
//
// The process holds its FIFO by one open file description, for writing and with an flock(2). When its last copy is closed,
// which the kernel does for a dead process, the lock is free, and everybody who has the FIFO open for reading is woken by its
// end. Each of them tries to add the change that ends the session, which one of them does; all records of the session are
// gone by that one change. That costs a watching process one descriptor and one sleeping goroutine for each live session, and
// no thread. The change is a link to a file that is there already, so it works on a full disk too.
//
// [Sharer] gives away a copy of the FIFO: the session then lives until the child that inherits it has died as well.
//
// # How the log stays short
//
// From time to time a writer writes down the whole state, links it to state/{number}, and removes all changes up to the
// second newest state. A process that was stopped meanwhile may link its draft to a number that has become free again, or
// read such a draft. Both are found out in one way: what has been read or linked counts only if a look at the states, taken
// afterwards, shows that its number is above the second newest. That bound never falls, and nothing above it is ever removed.
//
// # Numbers
//
// A new store counts from the wall clock in microseconds or from the ceiling, whatever is higher. No change gets a number
// above a ceiling that has been fsync'ed, and a new ceiling is put a million numbers higher, so that costs nothing. After a
// restart of the machine a new store begins beside the remains of the old one, above its ceiling. After the directory was
// wiped the wall clock alone sees to it that Created rises.
//
// # Limits
//
// Linux alone; /proc must be mounted. Each process with a watch takes one of the inotify instances of its user, 128 by
// default (fs.inotify.max_user_instances).
package fileengine
