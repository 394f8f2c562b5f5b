package shim

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// locks are the files that keep sessions alive, where an engine has such. The command inherits them.
type locks struct {
	socket *net.UnixConn
	open   map[string]int // by session
}

const (
	// inherited is the lowest number of a descriptor that the command inherits, out of the way of those that scripts choose.
	inherited = 110
	fallback  = 10 // where the limit of open files is lower

	// sendLimit bounds the way of a lock. The shim reads it as soon as it reads what announces it.
	sendLimit = 250 * time.Millisecond
)

// receive takes the lock that comes with a session.
func (l *locks) receive(session string) error {
	if err := l.socket.SetReadDeadline(time.Now().Add(sendLimit)); err != nil {
		return err
	}
	oob := make([]byte, syscall.CmsgSpace(4))
	_, n, _, _, err := l.socket.ReadMsgUnix(make([]byte, 1), oob)
	if err != nil {
		return fmt.Errorf("receive the lock of session %s: %w", session, err)
	}
	fd, err := rights(oob[:n])
	if err != nil {
		return fmt.Errorf("receive the lock of session %s: %w", session, err)
	}
	defer syscall.Close(fd)
	kept, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD, inherited)
	if errors.Is(err, unix.EINVAL) { // this process may not have so many
		kept, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD, fallback)
	}
	if err != nil {
		return fmt.Errorf("keep the lock of session %s: %w", session, err)
	}
	if l.open == nil {
		l.open = map[string]int{}
	}
	l.open[session] = kept
	return nil
}

func rights(oob []byte) (fd int, err error) {
	messages, err := syscall.ParseSocketControlMessage(oob)
	if err != nil {
		return 0, err
	}
	if len(messages) != 1 {
		return 0, errors.New("no file came")
	}
	fds, err := syscall.ParseUnixRights(&messages[0])
	if err != nil {
		return 0, err
	}
	return fds[0], nil
}

func (l *locks) drop(session string) {
	if fd, ok := l.open[session]; ok {
		_ = syscall.Close(fd)
		delete(l.open, session)
	}
}

// socketPair returns a socket for this process, and one for a shim.
func socketPair() (ours *net.UnixConn, theirs *os.File, err error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socket: %w", err)
	}
	theirs = os.NewFile(uintptr(fds[1]), "locks")
	ours, err = receiver(fds[0])
	if err != nil {
		return nil, nil, errors.Join(err, theirs.Close())
	}
	return ours, theirs, nil
}

// sendLock sends a copy of a lock to a shim, and closes it here.
func sendLock(to *net.UnixConn, lock *os.File) error {
	defer lock.Close()
	raw, err := lock.SyscallConn()
	if err != nil {
		return err
	}
	if err := to.SetWriteDeadline(time.Now().Add(sendLimit)); err != nil {
		return err
	}
	sent := raw.Control(func(fd uintptr) {
		_, _, err = to.WriteMsgUnix([]byte{0}, syscall.UnixRights(int(fd)), nil)
	})
	return errors.Join(sent, err)
}
