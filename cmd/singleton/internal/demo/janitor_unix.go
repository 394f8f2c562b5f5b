//go:build unix

package demo

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
)

// A janitor is a process that clears up behind this one, however it ends. It has the directory and is the head of the process
// group that all nodes belong to. When the pipe that it listens at is closed, by close or by the end of this process, it
// removes the directory and kills the group, itself included: a node that is paused dies too, and no process id is
// looked up that might have become another's.
type janitor struct {
	dir   string
	group int
	pipe  io.Closer
	gone  chan struct{}
}

// hire starts a janitor. It makes the directory itself, so there is no moment at which nobody would remove it.
func hire() (*janitor, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("janitor: %w", err)
	}
	cmd := exec.Command(self, "demo", "janitor")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var words tail
	cmd.Stderr = &words
	pipe, err := cmd.StdinPipe()
	var said io.Reader
	if err == nil {
		said, err = cmd.StdoutPipe()
	}
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("janitor: %w", err)
	}
	dir, err := io.ReadAll(said)
	j := &janitor{dir: strings.TrimSpace(string(dir)), group: cmd.Process.Pid, pipe: pipe, gone: make(chan struct{})}
	go func() {
		defer close(j.gone)
		_ = cmd.Wait() // it kills itself
	}()
	if err == nil && j.dir != "" {
		return j, nil
	}
	if err = errors.Join(err, j.close()); err == nil {
		err = errors.New(words.String())
	}
	return nil, fmt.Errorf("no temporary directory: %w", err)
}

// close has the janitor clear up, and waits for it. It does the janitor's work if somebody has killed that.
func (j *janitor) close() error {
	_ = j.pipe.Close()
	<-j.gone
	if j.dir == "" {
		return nil
	}
	return os.RemoveAll(j.dir)
}

// Janitor is the program of the janitor's process. It doesn't return unless it fails.
func Janitor(in io.Reader, out io.WriteCloser) error {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	dir, err := os.MkdirTemp("", "singleton-demo-")
	if err != nil {
		return err
	}
	if _, err = fmt.Fprintln(out, dir); err == nil {
		err = out.Close()
	}
	if err == nil {
		_, err = io.Copy(io.Discard, in)
	}
	err = errors.Join(err, os.RemoveAll(dir))
	if syscall.Getpgrp() == os.Getpid() { // else somebody has called this by hand
		err = errors.Join(err, syscall.Kill(0, syscall.SIGKILL))
	}
	return err
}
