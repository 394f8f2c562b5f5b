package httpfence

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// parting is how long an interrupted handler may still take to send its answer.
const parting = time.Second

// interruptible gives a request a context, and sees to it that a handler that is reading from its client, or writing to it,
// notices when the gate ends that context: the old leader at the other end may be stopped, and would hold up its successor. The
// function that it returns is called when the handler has returned.
func interruptible(ctx context.Context, w http.ResponseWriter, r *http.Request) (*http.Request, func()) {
	asked := r.Context()
	r = r.WithContext(ctx)
	b := &body{ReadCloser: r.Body, conn: http.NewResponseController(w), ended: r.Body == http.NoBody}
	if !b.ended {
		r.Body = b
	}
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		if asked.Err() != nil {
			return // the request has ended by itself, and the server sees to it
		}
		// Where the writer can't set deadlines, the handler still has its context.
		b.interrupt(context.Cause(ctx))
		_ = b.conn.SetWriteDeadline(time.Now().Add(parting)) // the server takes it back before the connection's next request
	})
	return r, func() {
		if stop() {
			return
		}
		<-done
		if b.timedOut {
			w.Header().Set("Connection", "close") // the rest of the body is still to come
		}
	}
}

// body is a request's body whose reading can be interrupted.
type body struct {
	io.ReadCloser
	conn *http.ResponseController

	mu       sync.Mutex
	cause    error // why it was interrupted
	ended    bool  // read to its end
	timedOut bool
}

func (b *body) Read(p []byte) (int, error) {
	if err := b.interrupted(); err != nil {
		return 0, err
	}
	n, err := b.ReadCloser.Read(p)
	if err == nil {
		return n, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if errors.Is(err, io.EOF) {
		b.ended = true
	} else if b.timedOut {
		err = b.cause
	}
	return n, err
}

func (b *body) interrupted() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cause
}

// interrupt ends the reading of the body, also by the server itself: before it writes an answer, it reads what the handler has
// left. Behind the end of the body the connection must be left alone. There the server waits for the next request, and would
// take the deadline for the client's going away.
func (b *body) interrupt(cause error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cause = cause
	if !b.ended {
		b.timedOut = b.conn.SetReadDeadline(time.Now()) == nil
	}
}
