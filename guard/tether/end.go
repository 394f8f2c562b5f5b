package tether

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// sendLimit bounds the sending of one message. Only a process that has stopped reading for thousands of messages makes anybody
// wait at all.
const sendLimit = 250 * time.Millisecond

var errBroken = errors.New("an earlier message was not sent")

// An End is one process's end of a tether: two pipes, and JSON messages on them. Its methods may be called from several
// goroutines, but only one of them may receive.
type End struct {
	in  *incoming
	dec *json.Decoder

	pidfd     *os.File // of the process at the other end; nil where there is none
	following sync.WaitGroup

	mu     sync.Mutex
	out    *os.File
	broken bool // half a message may have been sent
}

// NewEnd makes an end of the pipes that this process reads from and writes to, as [os.Pipe] or [Take] have made them. The end
// owns them from now on. One that will not be used may be nil.
func NewEnd(r, w *os.File) *End {
	in := &incoming{pipe: r}
	return &End{in: in, dec: json.NewDecoder(in), out: w}
}

// Send sends one message, in one write. What was sent arrives also if this process dies in the next instant. An error means
// that the other process is gone, or doesn't read; nothing more can be sent then. The pipe stays open: its end would mean that
// this process is gone.
func (e *End) Send(message any) error { return e.send(message, sendLimit) }

func (e *End) send(message any, limit time.Duration) error {
	text, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("tether: send: %w", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.broken {
		return fmt.Errorf("tether: send: %w", errBroken)
	}
	_ = e.out.SetWriteDeadline(time.Now().Add(limit)) // where this fails, Write does too
	if _, err := e.out.Write(append(text, '\n')); err != nil {
		e.broken = true
		return fmt.Errorf("tether: send: %w", err)
	}
	return nil
}

// Receive waits for the next message. Its error is [io.EOF] when the other process is gone and everything that it sent has
// been received.
func (e *End) Receive(message any) error {
	err := e.dec.Decode(message)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, os.ErrClosed):
		return io.EOF
	}
	return fmt.Errorf("tether: receive: %w", err)
}

// Cut says that the other process is known to be gone: Receive returns what is left and then [io.EOF], also if somebody
// else holds the pipe open.
func (e *End) Cut() { e.in.cut() }

// follow cuts the end as soon as the process that pidfd names has ended.
func (e *End) follow(pidfd *os.File) {
	e.pidfd = pidfd
	e.following.Go(func() {
		if awaitEnd(pidfd) == nil {
			e.Cut()
		}
	})
}

// Close closes both pipes. The other process takes it for the end of this one.
func (e *End) Close() error {
	defer e.following.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	return errors.Join(closed(e.out), closed(e.in.pipe), closed(e.pidfd))
}

func closed(f *os.File) error {
	if f == nil {
		return nil
	}
	if err := f.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}
