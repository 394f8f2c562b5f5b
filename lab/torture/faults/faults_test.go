package faults

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/singleton-go/singleton/lab/torture/sim"
)

func TestEveryPatchAppliesAndIsTakenBack(t *testing.T) {
	t.Parallel()
	source, err := sim.Tree(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l := &laboratory{source: source, tree: filepath.Join(t.TempDir(), "module")}
	if err := copyModule(l.source, l.tree); err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		undo, err := l.apply(f)
		if err != nil {
			t.Errorf("%s: %v", f.name, err)
		}
		undo()
		for _, e := range f.edits {
			before, errBefore := os.ReadFile(filepath.Join(l.source, e.file))
			after, errAfter := os.ReadFile(filepath.Join(l.tree, e.file))
			if errBefore != nil || errAfter != nil || string(before) != string(after) {
				t.Errorf("%s: %s is not as it was (%v, %v)", f.name, e.file, errBefore, errAfter)
			}
		}
	}
}

func TestEveryFaultIsInTheDocs(t *testing.T) {
	t.Parallel()
	source, err := sim.Tree(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(source, "docs", "simulation.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if !strings.Contains(string(text), "| `"+f.name+"` | "+f.does+" |") {
			t.Errorf("docs/simulation.md does not say: `%s`, %s", f.name, f.does)
		}
	}
}
