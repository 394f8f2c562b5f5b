package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// limit is for what should take far less, but for the end of a lease.
const limit = 60 * time.Second

// A candidate is a process that leads or waits.
type candidate struct {
	cmd   *exec.Cmd
	ended chan struct{}

	mu     sync.Mutex
	stderr bytes.Buffer
}

func (c *candidate) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stderr.Write(p)
}

func (c *candidate) said(text string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Contains(c.stderr.Bytes(), []byte(text))
}

// An arena is where two candidates of one contender take turns.
type arena struct {
	*contender

	beat   string // the command
	conn   *net.UnixConn
	leader *candidate
	waiter *candidate
	last   beat // of the leader's command
}

// A beat is a word of a command.
type beat struct {
	pid int
	at  time.Time // on the machine's clock
}

// enter starts two candidates, and returns when one leads and the other waits.
func (c *contender) enter(ctx context.Context, dir string, n int) (*arena, error) {
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: fmt.Sprintf("@gap-%s-%d", filepath.Base(dir), n), Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	a := &arena{contender: c, beat: filepath.Join(dir, "beat"), conn: conn}
	if a.leader, err = a.start(); err == nil {
		a.last, err = a.next(0)
	}
	if err == nil {
		err = a.queue(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", c.name, err), a.close())
	}
	return a, nil
}

func (a *arena) start() (*candidate, error) {
	c := &candidate{ended: make(chan struct{})}
	args := append(a.command[1:len(a.command):len(a.command)], a.beat, a.conn.LocalAddr().String())
	c.cmd = exec.Command(a.command[0], args...)
	c.cmd.Stderr = c
	c.cmd.WaitDelay = time.Second // the command may live on, with the same stderr
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = c.cmd.Wait() // how it ends is what the faults do
		close(c.ended)
	}()
	return c, nil
}

// queue starts a candidate that waits, and returns when it does.
func (a *arena) queue(ctx context.Context) (err error) {
	if a.waiter, err = a.start(); err != nil {
		return err
	}
	for deadline := time.Now().Add(limit); ; {
		if waits, err := a.waits(ctx, a.waiter); waits || err != nil {
			return err
		}
		select {
		case <-a.waiter.ended:
			return fmt.Errorf("the second candidate ended: %s", &a.waiter.stderr)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the second candidate does not wait: %s", &a.waiter.stderr)
		}
	}
}

// next returns the next beat of another process than this one, and notes the others.
func (a *arena) next(than int) (beat, error) {
	for deadline := time.Now().Add(limit); ; {
		if err := a.conn.SetReadDeadline(deadline); err != nil {
			return beat{}, err
		}
		b, err := a.read()
		if err != nil || b.pid != than {
			return b, err
		}
		a.last = b
	}
}

func (a *arena) read() (b beat, err error) {
	text := make([]byte, 64)
	n, err := a.conn.Read(text)
	if err != nil {
		return b, err
	}
	var at int64
	_, err = fmt.Sscan(string(text[:n]), &b.pid, &at)
	b.at = time.Unix(0, at)
	return b, err
}

// A change is what one fault has led to.
type change struct {
	gap      time.Duration // from the last word of the old command to the first of the new one
	takeover time.Duration // from the fault to the first word of the new one
	overlap  bool          // the old one spoke after that
}

// strike makes a fault, and lets a new candidate queue when the other one leads.
func (a *arena) strike(ctx context.Context, f fault) (c change, err error) {
	if err := a.listen(20 * time.Millisecond); err != nil { // so that the queue of old words is short
		return c, err
	}
	victim, old := a.last.pid, a.last.pid
	if f.holder {
		victim = a.leader.cmd.Process.Pid
	}
	at := time.Now()
	if err := syscall.Kill(victim, f.signal); err != nil {
		return c, err
	}
	first, err := a.next(old)
	if err != nil {
		return c, err
	}
	c.gap, c.takeover = first.at.Sub(a.last.at), first.at.Sub(at)
	if c.overlap, err = a.hears(old); err != nil {
		return c, err
	}
	_ = syscall.Kill(a.leader.cmd.Process.Pid, syscall.SIGKILL) // it has ended, but for some
	if c.overlap {
		_ = syscall.Kill(old, syscall.SIGKILL)
	}
	<-a.leader.ended
	a.leader = a.waiter
	return c, a.queue(ctx)
}

// listen takes in beats for a while.
func (a *arena) listen(d time.Duration) error {
	for end := time.Now().Add(d); time.Now().Before(end); {
		b, err := a.next(0)
		if err != nil {
			return err
		}
		a.last = b
	}
	return nil
}

// hears says whether the old command speaks beside the new one.
func (a *arena) hears(old int) (bool, error) {
	for range 20 {
		b, err := a.read()
		if err != nil || b.pid == old {
			return true, err
		}
		a.last = b
	}
	return false, nil
}

// close ends both candidates and what they run.
func (a *arena) close() error {
	for _, c := range []*candidate{a.waiter, a.leader} {
		if c == nil {
			continue
		}
		_ = c.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-c.ended:
		case <-time.After(time.Second):
			_ = c.cmd.Process.Kill()
			<-c.ended
		}
	}
	return a.conn.Close() // what still speaks ends now
}
