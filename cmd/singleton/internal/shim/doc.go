// Package shim runs a command so that nothing of it outlives the leadership that it runs under, however the process ends that
// holds this leadership.
//
// There are three processes, each the parent of the next:
//
//	owner      holds the session, renews it, is elected: singleton run
//	shim       starts the command, watches over it, and ends it
//	command    what the user gave, and all its descendants
//
// The shim is this same program, started again, before it is needed: a hand-over costs one message and one fork. Owner and
// shim are tied by package tether, so each learns from the kernel that the other is gone.
//
// # Who ends what
//
// "All" below is every descendant of the command. None can leave: both the owner and the shim are subreapers, so a process
// whose parent is dead becomes a child of the shim, or of the owner if the shim is dead, whatever session or process group it
// is in.
//
//   - The command ends: the shim ends what it has left behind, by TERM, and by KILL after the grace time.
//   - The owner is to stop, or to make way: the shim sends TERM to all, and KILL after the grace time.
//   - Leadership is lost: TERM to all, and KILL before the drain time is over.
//   - The owner is killed: the shim kills all at once, and then ends the owner's sessions in the store. A stopped shim is
//     continued by the kernel.
//   - The owner is stopped, and so renews nothing: the shim knows until when the session is trusted. It sends TERM to all at
//     the stop line, and KILL within the drain time, as the owner would have done. The clock is CLOCK_BOOTTIME, which both read.
//   - The shim is killed: the kernel kills the command with it, and the owner all others, which are its children from then on.
//   - The shim is stopped: the owner kills it when the command should have ended, and then as above.
//
// In each case the owner resigns, or the shim ends the session, only when the kernel has confirmed that no descendant is left.
//
// # What can escape
//
//   - Owner and shim killed in the same instant: the kernel kills the command itself, but not what the command has started. On
//     etcd the session then lasts until its TTL is over, and no longer. In a directory it lasts for as long as any descendant
//     lives that has kept the files it was born with: all inherit the session's lock.
//   - Owner and shim stopped at the same time, but not the command.
//   - A process that belongs to another user by now (sudo) can't be killed. It is waited for.
//   - A process that was moved out by others: what the command asks a service manager, a container engine, cron or at to start is
//     no descendant of it.
//   - A process that forks and ends faster than it can be found and killed, for as long as it goes on. It is waited for too.
package shim
