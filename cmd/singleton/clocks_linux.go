package main

import (
	"math"
	"time"

	"golang.org/x/sys/unix"
)

// A clockCheck compares the clocks at two instants.
type clockCheck struct{ boot, mono, wall time.Duration }

func beginClockCheck() clockCheck {
	at := func(clock int32) time.Duration {
		var t unix.Timespec
		_ = unix.ClockGettime(clock, &t) // these clocks are always there
		return time.Duration(t.Nano())
	}
	return clockCheck{boot: at(unix.CLOCK_BOOTTIME), mono: at(unix.CLOCK_MONOTONIC), wall: at(unix.CLOCK_REALTIME)}
}

func (before clockCheck) end() clocks {
	now := beginClockCheck()
	c := clocks{
		Suspended: (now.boot - now.mono).Round(time.Millisecond).Seconds(),
		Step:      ((now.wall - before.wall) - (now.mono - before.mono)).Round(time.Millisecond).Seconds(),
	}
	var t unix.Timex
	if _, err := unix.Adjtimex(&t); err != nil {
		c.Error = err.Error()
		return c
	}
	const scale = 1 << 16 // the kernel counts in 2^-16 ppm, and a tick of 10 000 us is the normal one
	c.RatePPM = math.Round((float64(t.Freq)/scale+float64(t.Tick-10_000)*100)*10) / 10
	c.Synchronised = t.Status&unix.STA_UNSYNC == 0
	return c
}

func kernel() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}
