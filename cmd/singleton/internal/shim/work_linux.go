package shim

import (
	"cmp"
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A work is a job from the start of its command until nothing of it is left.
type work struct {
	job

	pid       int // of the command; 0 if it could not be started
	ended     bool
	untrusted bool
	foreign   bool    // some of it may not be killed, and that was told
	killAt    instant // of all; zero until it is told to stop
}

// killRest is how often what is left is killed again.
const killRest = 5 * time.Millisecond

// start starts the command, unless the stop line has passed on the way here.
func (s *shim) start(j job) {
	s.work = &work{job: j, ended: true}
	if now() >= j.Trust {
		s.work.untrusted = true
		return
	}
	pid, err := fork(j)
	if err != nil {
		var errno syscall.Errno
		if !errors.As(err, &errno) {
			errno = syscall.EINVAL
		}
		s.tell(report{Work: j.Work, Refused: errno})
		return
	}
	s.work.pid, s.work.ended = pid, false
}

// fork starts the command as the kernel's execve and the shells do: what is executable and has no format that the kernel knows is
// a script for sh.
func fork(j job) (pid int, err error) {
	attr := &syscall.ProcAttr{
		Env:   environment(os.Environ(), j.Env),
		Files: []uintptr{0, 1, 2},
		Sys:   &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL},
	}
	pid, err = syscall.ForkExec(j.Path, j.Args, attr)
	if errors.Is(err, syscall.ENOEXEC) {
		const sh = "/bin/sh"
		pid, err = syscall.ForkExec(sh, append([]string{sh, j.Path}, j.Args[1:]...), attr)
	}
	return pid, err
}

// environment returns base with these variables added or replaced.
func environment(base, more []string) []string {
	list := slices.DeleteFunc(slices.Clone(base), func(v string) bool {
		return slices.ContainsFunc(more, func(m string) bool { return key(m) == key(v) })
	})
	return append(list, more...)
}

func key(variable string) string {
	k, _, _ := strings.Cut(variable, "=")
	return k
}

// pass passes a signal on to the command itself.
func (w *work) pass(sig syscall.Signal) {
	if !w.ended {
		_ = syscall.Kill(w.pid, sig) // until it is buried, the number is its own
	}
}

// stop tells all to end, and sets when they must have. It may come again with another instant, of which the earliest counts.
func (s *shim) stop(killAt instant) {
	w := s.work
	if w.killAt == 0 {
		s.family.send(syscall.SIGTERM, syscall.SIGCONT) // a stopped process would not see TERM
	}
	w.killAt = earlier(w.killAt, killAt)
}

// step looks what is due.
func (s *shim) step() {
	left := s.bury()
	w := s.work
	if w == nil {
		return
	}
	if w.ended && !left {
		s.tell(report{Work: w.Work, Untrusted: w.untrusted, Gone: true})
		s.work = nil
		s.setAlarm(0)
		return
	}
	at := now()
	switch {
	case w.killAt == 0 && w.ended:
		s.stop(at.after(w.Grace))
	case w.killAt == 0 && at >= w.Trust:
		w.untrusted = true
		s.stop(at.after(killTime(w.Drain)))
	case w.killAt != 0 && at >= w.Trust: // leadership is lost while it stops
		s.stop(w.Trust.after(killTime(w.Drain)))
	}
	if w.killAt != 0 && at >= w.killAt {
		if pid := s.family.send(syscall.SIGKILL); pid != 0 && !w.foreign {
			w.foreign = true
			s.tell(report{Work: w.Work, Foreign: pid})
		}
		s.setAlarm(at + instant(killRest))
		return
	}
	s.setAlarm(cmp.Or(earlier(w.killAt, s.dueTrust(at)), at+instant(time.Second)))
}

// dueTrust is the stop line, if that is still to come.
func (s *shim) dueTrust(at instant) instant {
	if s.work.Trust > at {
		return s.work.Trust
	}
	return 0
}

// killTime is the part of the drain after which KILL follows TERM; the rest is for the killing.
func killTime(drain time.Duration) time.Duration { return drain * 3 / 4 }

func (s *shim) setAlarm(at instant) {
	if s.alarm.set(at) == nil {
		return
	}
	select { // without a timer, time is looked at all the time
	case s.alarm.C <- struct{}{}:
	default:
	}
}

// bury reaps all children that have ended, and says whether any is left.
func (s *shim) bury() (left bool) {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return false // ECHILD
		case pid == 0:
			return true
		case s.work != nil && pid == s.work.pid:
			s.work.ended = true
			s.tell(report{Work: s.work.Work, Ended: &status, ByItself: s.work.killAt == 0})
		}
	}
}
