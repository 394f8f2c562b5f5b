package real

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// A janitor is a process that outlives this one for a moment, however this one ends: it ends all processes that were started, by
// their group, of which it is the head, and then removes their directory.
type janitor struct {
	cmd  *exec.Cmd
	dir  string
	pipe io.Closer // when it ends the janitor begins
}

func hireJanitor() (*janitor, error) {
	cmd, err := self("janitor", "-")
	if err != nil {
		return nil, err
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = os.Stderr
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("janitor: %w", err)
	}
	said, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("janitor: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("janitor: %w", err)
	}
	dir, err := io.ReadAll(said)
	j := &janitor{cmd: cmd, dir: strings.TrimSpace(string(dir)), pipe: pipe}
	if err != nil || j.dir == "" {
		j.close()
		return nil, errors.Join(errors.New("janitor: no temporary directory"), err)
	}
	return j, nil
}

// close ends all processes, and returns when nothing is left of them.
func (j *janitor) close() {
	_ = j.pipe.Close()
	_ = j.cmd.Wait() // it kills itself
	_ = os.RemoveAll(j.dir)
}

// janitorRole makes the directory, says which it is, and waits for the end of in.
func janitorRole(_ context.Context, _ string, in io.Reader, out io.Writer) error {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	if syscall.Getpgrp() != os.Getpid() {
		return errors.New("this is no command for people")
	}
	dir, err := os.MkdirTemp("", "torture-")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, dir)
	if c, ok := out.(io.Closer); ok {
		err = errors.Join(err, c.Close())
	}
	if err == nil {
		_, err = io.Copy(io.Discard, in)
	}
	// Some are stopped, and would write no more; those that run must not write again what is being removed.
	for range 3 {
		_ = syscall.Kill(0, syscall.SIGTERM)
		_ = syscall.Kill(0, syscall.SIGCONT)
		time.Sleep(50 * time.Millisecond)
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return errors.Join(err, syscall.Kill(0, syscall.SIGKILL))
}
