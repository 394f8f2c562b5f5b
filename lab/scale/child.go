package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// roleVariable holds the role of a process that this command has started, as JSON. Its guard inherits it.
const roleVariable = "SINGLETON_SCALE_ROLE"

// A role is what a started process is.
type role struct {
	Kind     string        `json:"kind"` // "etcd", or what the node runs
	Index    int           `json:"index"`
	Endpoint string        `json:"endpoint"`
	Dir      string        `json:"dir"` // etcd's data
	TTL      time.Duration `json:"ttl"`
	Units    int           `json:"units"`
	Profile  string        `json:"profile"` // a directory; empty for no profiles
}

// prefix is that of everything the nodes write.
const prefix = "/scale"

// roleOf returns this process's role; false for the one that a person has started.
func roleOf() (r role, is bool, err error) {
	text := os.Getenv(roleVariable)
	if text == "" {
		return role{}, false, nil
	}
	err = json.Unmarshal([]byte(text), &r)
	return r, true, err
}

// A request goes to a started process, one per line.
type request struct {
	Do    string `json:"do"`
	Times int    `json:"times,omitempty"`
}

// A state answers a request: what the process has and has done until now.
type state struct {
	Err        string        `json:"err,omitempty"`
	At         time.Time     `json:"at"`                   // when the request arrived
	Ready      int64         `json:"ready"`                // units that run
	Changed    time.Time     `json:"changed"`              // when that last changed
	Sent       int64         `json:"sent"`                 // messages to the store
	Received   int64         `json:"received"`             // messages from it
	CPU        time.Duration `json:"cpu"`                  // of this process, by getrusage
	Heap       uint64        `json:"heap,omitempty"`       // bytes after a collection, if it was asked for
	Goroutines int           `json:"goroutines,omitempty"` // at the same time
	Endpoint   string        `json:"endpoint,omitempty"`   // of etcd
}

// obey answers requests until the input ends, which it does when the process that sends them is gone.
func obey(in io.Reader, out io.Writer, do func(request) state) error {
	lines, answers := json.NewDecoder(bufio.NewReader(in)), json.NewEncoder(out)
	for {
		var r request
		if err := lines.Decode(&r); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		at := time.Now()
		s := do(r)
		s.At, s.CPU = at, processorTime()
		if err := answers.Encode(s); err != nil {
			return err
		}
	}
}

// processorTime is what this process has used, in user and system mode.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// serve is all that a started process does. Ctrl-C is for the one that started it, whose end is the end of the input.
func serve(ctx context.Context, r role) error {
	signal.Ignore(os.Interrupt)
	if r.Kind == "etcd" {
		return serveEtcd(r)
	}
	return serveNode(ctx, r)
}

// A child is a process that this one has started.
type child struct {
	name   string
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *json.Decoder
	closed sync.Once
}

// spawn starts this program once more in another role.
func spawn(ctx context.Context, r role, diag io.Writer) (*child, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), roleVariable+"="+string(text))
	cmd.Stderr = diag
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &child{name: fmt.Sprintf("%s %d", r.Kind, r.Index), cmd: cmd, in: in, out: json.NewDecoder(out)}, nil
}

// ask sends a request and returns the answer.
func (c *child) ask(do string) (state, error) { return c.askFor(request{Do: do}) }

func (c *child) askFor(r request) (s state, err error) {
	if err := json.NewEncoder(c.in).Encode(r); err != nil {
		return s, fmt.Errorf("%s: %s: %w", c.name, r.Do, err)
	}
	if err := c.out.Decode(&s); err != nil {
		return s, fmt.Errorf("%s: %s: %w", c.name, r.Do, err)
	}
	if s.Err != "" {
		return s, fmt.Errorf("%s: %s: %s", c.name, r.Do, s.Err)
	}
	return s, nil
}

// kill ends the process as a crash does, and returns when that was.
func (c *child) kill() (time.Time, error) {
	at := time.Now()
	err := c.cmd.Process.Kill()
	c.reap()
	return at, err
}

// close ends the process in order if it is there, and waits for it.
func (c *child) close() {
	stop := time.AfterFunc(closing, func() { _ = c.cmd.Process.Kill() })
	defer stop.Stop()
	c.reap()
}

// reap waits for the end. How it went matters to nobody: either it was killed, or it has answered all it was asked.
func (c *child) reap() {
	c.closed.Do(func() {
		_ = c.in.Close()
		_ = c.cmd.Wait()
	})
}
