package guard_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"
)

// A journal is what a process writes to its standard error.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *journal) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *journal) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// await waits for some text.
func (l *journal) await(t *testing.T, text string) {
	t.Helper()
	within(t, text, func() bool { return strings.Contains(l.String(), text) })
}
