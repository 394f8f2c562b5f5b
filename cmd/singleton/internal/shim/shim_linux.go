package shim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engineurl"
	"github.com/singleton-go/singleton/guard"
	"github.com/singleton-go/singleton/guard/tether"
)

// lockSocket is the descriptor at which a shim receives the locks of sessions.
const lockSocket = 6

// Main comes first in main. In a shim it never returns.
func Main() {
	end, err := tether.Inherited(name)
	if err == nil && end == nil {
		return
	}
	if err == nil {
		err = serve(end)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "singleton: shim:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// A shim is the process between the owner and the command. One goroutine has all of it.
type shim struct {
	end    *tether.End
	orders chan order     // closed when the owner is gone
	died   chan os.Signal // a child has ended, at least one
	alarm  *alarm
	locks  locks
	family family
	work   *work // nil while there is none

	store Store
	ward  *guard.Ward
}

// serve is the life of a shim.
func serve(end *tether.End) error {
	runtime.LockOSThread() // the kernel kills the command when the thread that has forked it ends
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(20)
	if err := adopt(); err != nil {
		return err
	}
	socket, err := receiver(lockSocket)
	if err != nil {
		return err
	}
	alarm, err := newAlarm()
	if err != nil {
		return err
	}
	s := &shim{
		end: end, alarm: alarm, orders: make(chan order), died: make(chan os.Signal, 1), locks: locks{socket: socket},
	}
	s.ward = guard.NewWard(s.open)
	signal.Notify(s.died, syscall.SIGCHLD)
	outlive()
	go s.listen() // until this process ends
	s.tell(report{Ready: true})
	s.run()
	s.family.sweep(s.died)
	s.letGo()
	return s.ward.End(context.Background())
}

// letGo closes the command's streams, so that nobody who waits for their end waits for the store.
func (s *shim) letGo() {
	nowhere, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer nowhere.Close()
	for fd := range 3 {
		_ = unix.Dup3(int(nowhere.Fd()), fd, 0) // a stream that stays open is no harm to the session
	}
}

// outlive takes the signals that would end or stop this process, and does nothing with them: those who manage services send
// them to all processes of a service. They are received and not ignored, since the command would inherit that; what is ignored
// already, as under nohup, stays so.
func outlive() {
	nowhere := make(chan os.Signal, 1)
	for _, sig := range []os.Signal{
		syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGALRM,
		syscall.SIGPIPE, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU,
	} {
		if !signal.Ignored(sig) {
			signal.Notify(nowhere, sig)
		}
	}
}

func (s *shim) listen() {
	defer close(s.orders)
	for {
		var o order
		if s.end.Receive(&o) != nil {
			return
		}
		s.orders <- o
	}
}

func (s *shim) tell(r report) { _ = s.end.Send(r) } // the end of the owner is noticed by listen

// run obeys the owner until that is gone.
func (s *shim) run() {
	for {
		select {
		case o, ok := <-s.orders:
			if !ok {
				return
			}
			s.obey(o)
		case <-s.died:
		case <-s.alarm.C:
		}
		s.step()
	}
}

func (s *shim) obey(o order) {
	switch {
	case o.Store != nil:
		if err := unpack(o.Store, &s.store); err != nil {
			s.problem(err)
			return
		}
		go s.ward.Connect(context.Background(), s.problem) // until this process ends
	case o.Session != nil:
		s.ward.Heed(o.Session.Message)
		s.heedLock(*o.Session)
	case o.Start != nil:
		var j job
		if err := unpack(o.Start, &j); err != nil {
			s.problem(err)
			return
		}
		s.start(j)
	case s.work == nil || o.Work != s.work.Work:
	case o.Signal != 0:
		s.work.pass(o.Signal)
	case o.Trust != 0:
		s.work.Trust = o.Trust
	case o.KillAt != 0:
		s.stop(o.KillAt)
	}
}

// open opens the engine for the ward.
func (s *shim) open(ctx context.Context) (engine.Engine, error) {
	store, err := engineurl.Open(ctx, s.store.URL, &s.store.Options)
	if err != nil {
		return nil, err
	}
	return store.Engine, nil
}

func (s *shim) problem(err error) {
	if err != nil {
		s.tell(report{Problem: err.Error()})
	}
}

func (s *shim) heedLock(c sessionChange) {
	s.locks.drop(c.Ended)
	if !c.Lock {
		return
	}
	if err := s.locks.receive(c.Opened); err != nil {
		s.tell(report{Problem: err.Error()})
	}
}

// receiver takes over an inherited socket.
func receiver(fd int) (*net.UnixConn, error) {
	syscall.CloseOnExec(fd)
	f := os.NewFile(uintptr(fd), "locks")
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("descriptor %d: %w", fd, err)
	}
	socket, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("descriptor %d: is no local socket", fd), conn.Close())
	}
	return socket, nil
}
