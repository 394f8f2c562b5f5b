package shim

import (
	"log/slog"
	"os"
	"slices"
	"testing"
	"time"
)

// The shims that an owner starts are this program once more.
func TestMain(m *testing.M) {
	Main()
	os.Exit(m.Run())
}

// Not in parallel: an owner kills what it takes for a dead shim's command, which are all children of this process.
func TestStopEndsAShimThatIsBeingStarted(t *testing.T) {
	o, err := New(Store{URL: "file://" + t.TempDir()}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	o.mu.Lock()
	dead := o.helper.PID()
	o.run = &run{gone: gone}
	o.helper.Kill()
	o.mu.Unlock()
	<-gone
	o.mu.Lock()
	stopped := make(chan error, 1)
	go func() { stopped <- o.Stop() }() // gets the mutex first: the successor is started only after a rest
	for !slices.ContainsFunc(children(t), func(pid int) bool { return pid != dead }) {
		time.Sleep(time.Millisecond) // nothing announces it
	}
	o.mu.Unlock()
	select {
	case err := <-stopped:
		if list := children(t); err != nil || len(list) != 0 {
			t.Errorf("stopped with %v, and these are left: %v", err, list)
		}
	case <-time.After(10 * time.Second):
		t.Errorf("not stopped, and these are there: %v", children(t))
		o.helper.Kill()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	}
}

func children(t *testing.T) []int {
	t.Helper()
	list, err := (family{}).children()
	if err != nil {
		t.Fatal(err)
	}
	return list
}
