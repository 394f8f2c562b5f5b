package shim

import (
	"fmt"
	"math"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// An instant is a reading of CLOCK_BOOTTIME, which all processes of a machine share and which goes on while it sleeps, in
// nanoseconds. The zero instant is never.
type instant int64

func now() instant {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) // this clock is always there
	return instant(t.Nano())
}

// in returns the instant after d.
func in(d time.Duration) instant { return now().after(d) }

// after is the last instant there is if d goes beyond it.
func (at instant) after(d time.Duration) instant {
	if instant(d) > math.MaxInt64-at {
		return math.MaxInt64
	}
	return at + instant(d)
}

// earlier returns the earlier of two instants, if both are set.
func earlier(a, b instant) instant {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// An alarm goes off at an instant, also if the machine was asleep then: at once when it wakes.
type alarm struct {
	C  chan struct{}
	fd int
}

// newAlarm returns an alarm that lives as long as the process.
func newAlarm() (*alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("timer: %w", err)
	}
	a := &alarm{C: make(chan struct{}, 1), fd: fd}
	go a.watch(os.NewFile(uintptr(fd), "timer"))
	return a, nil
}

func (a *alarm) watch(f *os.File) {
	expirations := make([]byte, 8)
	for {
		if _, err := f.Read(expirations); err != nil {
			return
		}
		select {
		case a.C <- struct{}{}:
		default:
		}
	}
}

// set moves the alarm; never switches it off.
func (a *alarm) set(at instant) error {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(at))}
	return unix.TimerfdSettime(a.fd, unix.TFD_TIMER_ABSTIME, &spec, nil)
}
