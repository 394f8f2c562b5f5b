//go:build unix

package guard

import (
	"os"
	"syscall"
)

// ignored are the signals that would end a guard. Those who manage services send them to all processes of a service, also just
// after its main process has died, when the guard is needed most.
func ignored() []os.Signal {
	return []os.Signal{
		syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGALRM,
		syscall.SIGPIPE, // what the guard writes when nobody listens any more
	}
}
