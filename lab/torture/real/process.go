package real

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
)

// self is this program in another role.
func self(role, spec string) (*exec.Cmd, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return exec.Command(path, "real", role, spec), nil
}

// A process is a member of etcd or a node, from one start to its end.
type process struct {
	cmd   *exec.Cmd
	pipe  io.Closer
	done  chan struct{} // closed when it has ended
	words tail

	mu     sync.Mutex
	wanted bool // somebody has ended it
}

// start starts a process in the janitor's group, alone in a network of its own or not.
func (j *janitor) start(role string, spec any, apart bool) (*process, error) {
	text, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	cmd, err := self(role, string(text))
	if err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: j.cmd.Process.Pid}
	if apart {
		isolated(cmd.SysProcAttr)
	}
	cmd.Stderr = &p.words
	if p.pipe, err = cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("%s: %w", role, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", role, err)
	}
	go func() {
		defer close(p.done)
		_ = cmd.Wait() // how it ends is what the faults do
	}()
	return p, nil
}

// expect says whether it may end.
func (p *process) expect(end bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted = end
}

// end sends a signal that ends it.
func (p *process) end(s syscall.Signal) {
	p.expect(true)
	_ = p.cmd.Process.Signal(s) // it may have ended
}

// ended says whether it has ended.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// alone says whether it has ended by itself.
func (p *process) alone() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended() && !p.wanted
}

// A tail keeps the last of what was written to it.
type tail struct {
	mu   sync.Mutex
	text string
}

// longestTail is about a screen.
const longestTail = 4000

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text += string(b)
	t.text = t.text[max(0, len(t.text)-longestTail):]
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(t.text)
}
