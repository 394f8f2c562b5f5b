package main

import (
	"io"
	"sync"
	"time"
)

// A courier writes for those who must not wait for a reader: a leader whose terminal is frozen, or whose pipe nobody reads, is one
// that can't be moved. What finds no room is lost, which is what becomes of it anyway.
type courier struct {
	w    io.Writer
	done chan struct{}

	mu     sync.Mutex
	lines  chan []byte
	closed bool
}

const (
	courierRoom  = 256             // lines that may wait
	courierLimit = time.Second / 2 // for the last of them to be written
)

func newCourier(w io.Writer) *courier {
	c := &courier{w: w, lines: make(chan []byte, courierRoom), done: make(chan struct{})}
	go func() { // ends with close, or with the process if the reader never reads
		defer close(c.done)
		for line := range c.lines {
			_, _ = c.w.Write(line) // who doesn't read doesn't miss it
		}
	}()
	return c
}

// Write implements [io.Writer]. It takes one line, and never fails.
func (c *courier) Write(line []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return len(line), nil
	}
	select {
	case c.lines <- append([]byte(nil), line...):
	default:
	}
	return len(line), nil
}

// close waits for what was written, for a moment. What is written from now on is lost.
func (c *courier) close() {
	c.mu.Lock()
	c.closed = true
	close(c.lines)
	c.mu.Unlock()
	select {
	case <-c.done:
	case <-time.After(courierLimit):
	}
}
