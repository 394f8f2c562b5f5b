package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// repeatRest is for how long a message that repeats itself is not shown again.
const repeatRest = 30 * time.Second

// A lineLog shows warnings and errors of the library to people: each in one line, and those that repeat themselves while a
// store is away only now and then.
type lineLog struct {
	w      io.Writer
	prefix string

	mu   sync.Mutex
	last map[string]time.Time // by message
}

func newLineLog(w io.Writer, prefix string) *slog.Logger {
	return slog.New(&lineLog{w: w, prefix: prefix, last: map[string]time.Time{}})
}

// Enabled implements [slog.Handler].
func (*lineLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

// Handle implements [slog.Handler]. Of the attributes it shows what went wrong: the others name what the prefix names already.
func (l *lineLog) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if last, shown := l.last[r.Message]; shown && r.Time.Sub(last) < repeatRest {
		return nil
	}
	l.last[r.Message] = r.Time
	text := l.prefix + r.Message
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "err" || a.Key == "reason" {
			text += ": " + a.Value.String()
		}
		return true
	})
	_, err := fmt.Fprintln(l.w, strings.ReplaceAll(text, "\n", "; "))
	return err
}

// WithAttrs implements [slog.Handler].
func (l *lineLog) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup implements [slog.Handler].
func (l *lineLog) WithGroup(string) slog.Handler { return l }
