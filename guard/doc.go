// Package guard makes a crash cost milliseconds rather than the TTL.
//
// Most crashes kill a process and not its machine, and the kernel knows at once. A guard is a second, small process that the
// kernel tells: when the process that it guards is gone, with all its threads and however it went (a panic, [os.Exit], SIGKILL,
// the out-of-memory killer), the guard ends its session in the store, and others take over. The first thing in main is
//
//	guard.Main(open)
//
// with the function by which the program opens its engine, and the runtime is asked for a guard by its config:
//
//	rt, err := singleton.New(eng, singleton.Config{Prefix: "/my-app", Guard: true})
//
// The guard is this same program, started again, in which Main never returns. It opens an engine of its own, by the same
// function, so that nothing secret has to travel: through a pipe come the arguments of the program and the IDs of its
// sessions. What a program does before main, in init functions and package variables, is done in the guard as well.
//
// # What the guard does
//
// It is in a session of its own and ignores the signals that ask a process to end, since those who manage services send them
// to all processes of a service. In ps it is "singleton-guard: PROGRAM". It tries to end the sessions until their TTL is over,
// and is gone then, or as soon as it has succeeded. When the process ends in order, the guard goes with it.
//
// A guard that dies is replaced. Leadership is never lost because of a guard, and doesn't wait for it.
//
// What the guard or the given function write to standard output or error is logged by the guarded process, as long as it
// lives; nobody hears it afterwards. So a guard keeps no pipe of its process open.
//
// # As PID 1
//
// In a container the process is often the first one, PID 1, and at its end the kernel kills all others at once: nobody would be
// left to act. Main, in such a process, becomes the guard itself, and runs the program as its child. It passes signals on,
// reaps orphans, and exits with the code of the program; one that a signal ended gives 128 and the signal's number. Inherited
// files other than the three standard ones are not passed on.
//
// # What a guard can't see
//
// These take the TTL, as if there were no guard:
//
//   - the machine or its power fails, or its network is cut;
//   - the process is stopped, not dead (SIGSTOP, a debugger, a frozen container): it may go on, so nothing is ended before
//     the TTL is over;
//   - the guard is killed with its process: a container that is killed as a whole, systemd's KillMode=mixed, the
//     out-of-memory killer where it takes whole groups;
//   - the store can't be reached until the TTL is over.
//
// Children of the process may live on for a while after it, and a guard other than PID 1 does not end them. Where they do the
// work that only one may do, let the kernel kill them with their parent, or set a takeover delay.
package guard
