//go:build unix

package tether

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// The descriptors at which a helper finds its tether.
const (
	fdIn    = 3
	fdOut   = 4
	fdPidfd = 5 // of the owner, where there is one
)

const version = 2

// A greeting is the first message to a helper; the second one is the arguments.
type greeting struct {
	Version int
	Pidfd   bool // there is one
}

// Inherited returns the end of the tether that this process holds as the helper of this name, and nil if it is no such
// helper. It is called once, and before anything else: [os.Args] are the owner's from then on.
func Inherited(name string) (*End, error) {
	if len(os.Args) == 0 || !strings.HasPrefix(os.Args[0], title(name)) || !isPipe(fdIn) || !isPipe(fdOut) {
		return nil, nil
	}
	e, err := inherit(name)
	if err != nil {
		return nil, fmt.Errorf("tether: %w", err)
	}
	return e, nil
}

func isPipe(fd int) bool {
	var st syscall.Stat_t
	return syscall.Fstat(fd, &st) == nil && st.Mode&syscall.S_IFMT == syscall.S_IFIFO
}

func inherit(name string) (*End, error) {
	rename("singleton-" + name)
	in, err := Take(fdIn)
	if err != nil {
		return nil, err
	}
	out, err := Take(fdOut)
	if err != nil {
		return nil, err
	}
	e := NewEnd(in, out)
	var g greeting
	if err := e.Receive(&g); err != nil {
		return nil, err
	}
	if g.Version != version {
		return nil, errors.New("the owner runs another version of this program")
	}
	if g.Pidfd {
		pidfd, err := take(fdPidfd)
		if err != nil {
			return nil, err
		}
		e.follow(pidfd)
	}
	var args [][]byte
	if err := e.Receive(&args); err != nil {
		return e, err
	}
	os.Args = nil
	for _, arg := range args {
		os.Args = append(os.Args, string(arg))
	}
	return e, nil
}

// Take makes a file of the end of a pipe that this process has inherited, for [NewEnd]. No child inherits it again.
func Take(fd int) (*os.File, error) {
	if !isPipe(fd) {
		return nil, fmt.Errorf("descriptor %d: is no pipe", fd)
	}
	return take(fd)
}

func take(fd int) (*os.File, error) {
	syscall.CloseOnExec(fd)
	if err := syscall.SetNonblock(fd, true); err != nil {
		return nil, fmt.Errorf("descriptor %d: %w", fd, err)
	}
	return os.NewFile(uintptr(fd), "tether"), nil
}
