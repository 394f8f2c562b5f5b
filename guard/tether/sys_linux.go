package tether

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Executable is the program that this process runs, also if its file was replaced or removed since.
func Executable() (string, error) {
	const own = "/proc/self/exe"
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	running, err := os.Stat(own)
	if err != nil {
		return path, nil // there is no /proc
	}
	if there, err := os.Stat(path); err == nil && os.SameFile(there, running) {
		return path, nil
	}
	return own, nil
}

// self returns a pidfd of this process, which names it beyond doubt, and nil where the system has or allows none.
func self() *os.File {
	fd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return nil
	}
	return os.NewFile(uintptr(fd), "pidfd")
}

// awaitEnd waits until the process that a pidfd names has ended. An error means that this can't be known; one is that the pidfd
// was closed.
func awaitEnd(pidfd *os.File) error {
	raw, err := pidfd.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Read(func(fd uintptr) bool {
		state := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		_, err := unix.Poll(state, 0)
		return err == nil && state[0].Revents&unix.POLLIN != 0
	})
}

// rename gives this process the name that the kernel shows and that killall goes by. What is longer than 15 bytes is cut off.
func rename(name string) {
	_ = os.WriteFile("/proc/self/comm", []byte(name), 0) // it is for people only
}

func detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
