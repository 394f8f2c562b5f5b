package fileengine

import "github.com/singleton-go/singleton/engine"

// ErrHeldUp is the one error after which a call is to be made again.
var ErrHeldUp = errHeldUp

// Abandon gives a session's lock up without a word, as the kernel does for a process that dies.
func Abandon(s engine.Session) { s.(*session).letGo() }

// Network is what a file system of this type is called if it is refused.
func Network(kind int64) string { return network(kind) }
