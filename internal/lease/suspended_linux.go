package lease

import (
	"time"

	"golang.org/x/sys/unix"
)

// suspended says how long the machine has been suspended since it was started. Both clocks are read by system calls:
// time.Now is not the system's clock inside a testing/synctest bubble.
func suspended() time.Duration {
	var boot, mono unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot) != nil || unix.ClockGettime(unix.CLOCK_MONOTONIC, &mono) != nil {
		return 0
	}
	return time.Duration(boot.Nano() - mono.Nano())
}
