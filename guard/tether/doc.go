// Package tether starts this program again as a helper process, and ties the two together: they can send messages to each
// other, and the helper learns at once when its owner is gone, however it went.
//
// The owner is gone when all its threads are. The kernel says so in two ways, and the helper heeds both: the end of a pipe
// whose other end the owner holds, and, on Linux, a pidfd of the owner. Either alone can fail: a child that the owner forked
// may hold the pipe open, and a pidfd may be forbidden. What the owner sent before its end is received first, all of it.
//
// An owner that replaces its program by exec keeps its pid but closes the pipe: it is gone as well, and the program that took
// its place is somebody else's.
//
// The helper is known by the zeroth argument, "singleton-NAME: PROGRAM", which ps shows; it has no other arguments, and nothing
// is added to its environment. The arguments of its owner reach it through the pipe, see [Inherited].
//
// Package guard is built on this, and so can be helpers with further duties. On systems that aren't Unix nothing starts, and
// the error is [errors.ErrUnsupported].
package tether
