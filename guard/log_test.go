package guard_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"
)

// A log is what a process writes to its standard error.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// await waits for some text.
func (l *log) await(t *testing.T, text string) {
	t.Helper()
	within(t, text, func() bool { return strings.Contains(l.String(), text) })
}
