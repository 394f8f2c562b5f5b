package guard

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/guard/tether"
)

// pid1Variable tells the child of a PID 1 at which descriptor it finds the pipe to that. It is gone when the program begins.
const pid1Variable = "SINGLETON_GUARD"

// orphanRest is for how long a dead child is left to whoever may wait for it in this process, before it is reaped: the engine
// may run a program of its own.
const orphanRest = time.Second

// An initProcess is PID 1 and guards its child.
type initProcess struct {
	log     *slog.Logger
	child   int
	tether  *tether.End
	signals chan os.Signal // to be passed on
	died    chan os.Signal // SIGCHLD, one for any number
}

// ownInit makes a process that is PID 1 a guard that never returns, and finds the way to that in its child.
func ownInit(open func(ctx context.Context) (engine.Engine, error)) {
	if os.Getpid() == 1 {
		os.Exit(newInitProcess().run(open)) //nolint:forbidigo // this process is a guard, and its program has ended
	}
	text, ok := os.LookupEnv(pid1Variable)
	if !ok || os.Getppid() != 1 {
		return
	}
	_ = os.Unsetenv(pid1Variable) // it fails for bad names alone
	if fd, err := strconv.Atoi(text); err == nil {
		if pipe, err := tether.Take(fd); err == nil {
			pid1 = tether.NewEnd(nil, pipe)
		}
	}
}

func newInitProcess() *initProcess {
	return &initProcess{
		log:     slog.New(slog.NewTextHandler(os.Stderr, nil)), // what a container writes there is its log
		signals: make(chan os.Signal, 64),
		died:    make(chan os.Signal, 1),
	}
}

// run is the life of PID 1. It returns the exit code.
func (p *initProcess) run(open func(ctx context.Context) (engine.Engine, error)) int {
	p.notify()
	if err := p.start(); err != nil {
		p.log.Error("guard can't start the program", "err", err)
		return 1
	}
	slim()
	w := NewWard(open)
	go w.Connect(context.Background(), p.problem) // until this process ends
	told := make(chan struct{})
	go func() {
		defer close(told)
		if err := attend(p.tether, w); err != nil {
			p.log.Warn("guard hears of no more sessions", "err", err)
		}
	}()
	status := p.supervise()
	endOthers()
	p.tether.Cut()
	<-told
	p.end(w)
	return codeOf(status)
}

// notify begins to receive signals. Those that are ignored stay so, in the child too.
func (p *initProcess) notify() {
	for s := syscall.Signal(1); s <= 64; s++ {
		switch {
		case s == unix.SIGCHLD:
			signal.Notify(p.died, s)
		case signal.Ignored(s):
		case s == unix.SIGURG, s == unix.SIGPIPE, s == unix.SIGTTIN, s == unix.SIGTTOU:
			// The Go runtime sends itself the first; the others are about what this process does.
		default:
			signal.Notify(p.signals, s)
		}
	}
}

// start runs the program as the child of this process.
func (p *initProcess) start() error {
	program, err := tether.Executable()
	if err != nil {
		return err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer w.Close()
	p.tether = tether.NewEnd(r, nil)
	p.child, err = syscall.ForkExec(program, os.Args, &syscall.ProcAttr{
		Env:   append(os.Environ(), pid1Variable+"=3"),
		Files: []uintptr{0, 1, 2, w.Fd()},
		Sys:   ownGroup(),
	})
	return err
}

// ownGroup puts the child into a process group of its own, so that what the terminal sends comes once, and not again from here.
func ownGroup() *syscall.SysProcAttr {
	if _, err := unix.IoctlGetInt(0, unix.TIOCGPGRP); err == nil {
		return &syscall.SysProcAttr{Foreground: true, Ctty: 0}
	}
	return &syscall.SysProcAttr{Setpgid: true}
}

// supervise passes signals on and reaps, until the child has ended.
func (p *initProcess) supervise() syscall.WaitStatus {
	var orphans <-chan time.Time // nil while none is known
	for {
		select {
		case s := <-p.signals:
			_ = unix.Kill(p.child, s.(syscall.Signal)) // the child is there, at least as a zombie
		case <-p.died:
			if status, ended := p.reap(p.child); ended {
				return status
			}
			if orphans == nil {
				orphans = time.After(orphanRest)
			}
		case <-orphans:
			orphans = nil
			if status, ended := p.reap(-1); ended {
				return status
			}
		}
	}
}

// reap takes in dead children: this one, or with -1 all. It says how the child ended, if so.
func (p *initProcess) reap(which int) (syscall.WaitStatus, bool) {
	for {
		var status syscall.WaitStatus
		switch pid, err := syscall.Wait4(which, &status, syscall.WNOHANG, nil); {
		case err == syscall.EINTR:
		case err != nil || pid <= 0:
			return 0, false
		case pid == p.child:
			return status, true
		}
	}
}

// endOthers ends what the program has left behind. The end of PID 1 would do the same, and wait for it as well, but others
// would have taken over before.
func endOthers() {
	_ = unix.Kill(-1, unix.SIGKILL) // it fails if there are none
	for {
		if _, err := syscall.Wait4(-1, nil, 0, nil); err != nil && err != syscall.EINTR {
			return
		}
	}
}

// end ends the sessions of the child. A signal that asks this process to end is obeyed now: the container is to go.
func (p *initProcess) end(w *Ward) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // until this process ends
		for s := range p.signals {
			if s == unix.SIGTERM || s == unix.SIGINT {
				cancel()
			}
		}
	}()
	if err := w.End(ctx); err != nil {
		p.log.Warn("guard could not end the session: it expires by itself", "err", err)
	}
}

func (p *initProcess) problem(err error) {
	if err != nil {
		p.log.Warn("guard has no engine yet", "err", err)
	}
}

func codeOf(s syscall.WaitStatus) int {
	if s.Signaled() { //nolint:misspell // that is its name
		return 128 + int(s.Signal())
	}
	return s.ExitStatus()
}
