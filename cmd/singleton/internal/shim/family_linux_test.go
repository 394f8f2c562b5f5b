package shim

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

func TestParentIsFoundWhateverAProcessIsCalled(t *testing.T) {
	t.Parallel()
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"plain", "a) R 1 (b", ") (", "two words", "line\nbreak"} {
		program := filepath.Join(t.TempDir(), name)
		if err := os.Symlink(sleep, program); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(program, "100")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		pid := cmd.Process.Pid
		if parent, ok := parentOf(pid); !ok || parent != os.Getpid() {
			t.Errorf("%q: parent %d %v, want %d", name, parent, ok, os.Getpid())
		}
		if list, err := (family{}).all(); err != nil || !slices.Contains(list, pid) {
			t.Errorf("%q: not among all descendants %v: %v", name, list, err)
		}
		if list, err := (family{strangers: map[int]bool{pid: true}}).all(); err != nil || slices.Contains(list, pid) {
			t.Errorf("%q: a stranger among all descendants %v: %v", name, list, err)
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if _, ok := parentOf(pid); ok {
			t.Errorf("%q: has a parent after its end", name)
		}
	}
}

func TestEnvironmentIsReplacedAndNotRepeated(t *testing.T) {
	t.Parallel()
	got := environment([]string{"A=1", "SINGLETON_NAME=outer", "B=2=3", "ODD"}, []string{"SINGLETON_NAME=inner", "C="})
	if want := []string{"A=1", "B=2=3", "ODD", "SINGLETON_NAME=inner", "C="}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestEarlierOfTwoInstants(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]instant{{0, 0, 0}, {1, 0, 1}, {0, 2, 2}, {1, 2, 1}, {2, 1, 1}} {
		if got := earlier(c[0], c[1]); got != c[2] {
			t.Errorf("of %d and %d: %d, want %d", c[0], c[1], got, c[2])
		}
	}
}
