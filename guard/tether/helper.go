//go:build unix

package tether

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Supported says whether there are helpers on this system.
const Supported = true

// argsLimit bounds the sending of arguments that don't fit into a pipe: the helper must have come up to read them.
const argsLimit = 10 * time.Second

// A Helper is a helper process, as its owner sees it.
type Helper struct {
	*End

	cmd *exec.Cmd
}

// Command returns the command that starts this program again, as the helper of this name, in a session of its own: its
// standard streams lead nowhere, and its environment and directory are this process's own. The caller may change that, and add
// files, which the helper finds from descriptor 6 on, before [Start].
func Command(name string) (*exec.Cmd, error) {
	program, err := Executable()
	if err != nil {
		return nil, fmt.Errorf("tether: %w", err)
	}
	return &exec.Cmd{
		Path:        program,
		Args:        []string{title(name) + filepath.Base(os.Args[0])},
		SysProcAttr: detached(),
	}, nil
}

// title is how the zeroth argument of a helper begins.
func title(name string) string { return "singleton-" + name + ": " }

// Start starts a helper that [Command] described. The caller waits for its end, see [Helper.Wait].
func Start(cmd *exec.Cmd) (*Helper, error) {
	h := &Helper{cmd: cmd}
	if err := h.start(); err != nil {
		return nil, fmt.Errorf("tether: start %q: %w", cmd.Args[0], err)
	}
	return h, nil
}

func (h *Helper) start() error {
	theirIn, out, err := os.Pipe()
	if err != nil {
		return err
	}
	defer theirIn.Close()
	in, theirOut, err := os.Pipe()
	if err != nil {
		return errors.Join(err, out.Close())
	}
	defer theirOut.Close()
	h.End = NewEnd(in, out)
	pidfd := self()
	defer pidfd.Close() // also of nil
	h.cmd.ExtraFiles = append([]*os.File{theirIn, theirOut, pidfd}, h.cmd.ExtraFiles...)
	// The greeting is in the pipe before there is a helper, which so knows of the pidfd whatever happens to this process.
	if err := h.Send(greeting{Version: version, Pidfd: pidfd != nil}); err != nil {
		return errors.Join(err, h.Close())
	}
	if err := h.cmd.Start(); err != nil {
		return errors.Join(err, h.Close())
	}
	if err := h.send(raw(os.Args), argsLimit); err != nil {
		return errors.Join(err, h.cmd.Process.Kill(), h.Wait())
	}
	return nil
}

// raw is a list that arrives byte for byte: JSON changes what is not UTF-8.
func raw(list []string) [][]byte {
	all := make([][]byte, len(list))
	for i, s := range list {
		all[i] = []byte(s)
	}
	return all
}

// PID is the helper's process id.
func (h *Helper) PID() int { return h.cmd.Process.Pid }

// Kill ends the helper at once.
func (h *Helper) Kill() { _ = h.cmd.Process.Kill() } // it fails where the helper has ended already

// Wait waits for the helper's end, and frees what was held for it. It is called once.
func (h *Helper) Wait() error {
	return errors.Join(h.cmd.Wait(), h.Close())
}
