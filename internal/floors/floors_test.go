// Package floors guards the shape of the repository: which package may know which, and what the modules may require.
package floors

import (
	"path"
	"slices"
	"strings"
	"testing"
)

// floors is the house, from the top down: every import goes to a lower floor. Rooms on one floor don't know each other. A
// room is a folder; one that ends in /... takes in all folders below, and how those know each other is its own affair.
//
// A new package that no room takes in fails the test: give it a floor here. The lower it stands, the fewer packages it may
// import, and the more may import it.
var floors = [][]string{
	{"cmd/...", "lab/...", "examples/..."},
	{chooser},
	{"dashboard/...", "grpcsingleton/...", "httpsingleton/...", "schedule/..."},
	{"."},
	{"discovery/...", "fence/..."},
	{"election/..."},
	{"internal/lease/...", "guard/..."},
	{"engine", "internal/names", "internal/spread"},
}

// Beside the house, in folders below engine, stand the engines and their tests' tools. They know package engine alone, and
// only programs (the top floor), what chooses among them for programs, and tests know them.
const (
	beside  = "engine/"
	chooser = "engineurl"
)

const project = "github.com/singleton-go/singleton"

func TestEveryImportGoesDown(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if s.test() {
			continue // a test may know the whole house
		}
		if _, ok := room(s.folder); !ok && !strings.HasPrefix(s.folder, beside) {
			t.Errorf("%s: package has no floor: give it one in internal/floors/floors_test.go", s.file)
			continue
		}
		for _, to := range s.ours() {
			if fault := climb(s.folder, to); fault != "" {
				t.Errorf("%s: imports %s: %s", s.file, to, fault)
			}
		}
	}
}

// climb says what is wrong with an import between two folders, and nothing if it goes down.
func climb(from, to string) string {
	upper, _ := room(from)
	lower, _ := room(to)
	switch {
	case strings.HasPrefix(from, beside):
		if to != "engine" && !strings.Contains(to, "/internal/") {
			return "an engine knows package engine alone"
		}
	case strings.HasPrefix(to, beside):
		if upper.floor != 0 && upper.room != chooser {
			return "only programs and tests choose an engine"
		}
	case upper != lower && upper.floor >= lower.floor:
		return "that is not a floor down"
	}
	return ""
}

func TestNestedModulesLeaveTheRootsInternalsAlone(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		for _, to := range s.ours() {
			if s.module != "." && strings.HasPrefix(to, "internal/") {
				t.Errorf("%s: imports %s: another version of the root module may not have it", s.file, to)
			}
		}
	}
}

func TestRootModuleDragsNothingIn(t *testing.T) {
	t.Parallel()
	for _, module := range directives(t, "go.mod", "require") {
		if module != "golang.org/x/sys" {
			t.Errorf("go.mod: requires %s: what needs it becomes a module of its own", module)
		}
	}
	for _, s := range sources(t) {
		for _, to := range s.imports {
			domain, _, _ := strings.Cut(to, "/")
			if s.module == "." && s.test() && strings.Contains(domain, ".") && !within(project, to) {
				t.Errorf("%s: imports %s: the root module's tests use the standard library alone", s.file, to)
			}
		}
	}
}

func TestWorkspaceListsEveryModule(t *testing.T) {
	t.Parallel()
	var used []string
	for _, dir := range directives(t, "go.work", "use") {
		used = append(used, path.Clean(dir))
	}
	slices.Sort(used)
	if have := modules(t); !slices.Equal(used, have) {
		t.Errorf("go.work uses %q, and the modules are %q", used, have)
	}
}

func TestModulesRequireEachOtherInNoCircle(t *testing.T) {
	t.Parallel()
	var visit func(module string, above []string)
	visit = func(module string, above []string) {
		if slices.Contains(above, module) {
			t.Fatalf("modules require each other in a circle: %s", strings.Join(append(above, module), " -> "))
		}
		for _, to := range directives(t, path.Join(module, "go.mod"), "require") {
			if within(project, to) {
				visit(folder(to), append(slices.Clip(above), module))
			}
		}
	}
	for _, m := range modules(t) {
		visit(m, nil)
	}
}

// A place is a room and its floor, counted from the top.
type place struct {
	floor int
	room  string
}

// room finds the room that takes in a folder.
func room(folder string) (place, bool) {
	name := folder
	for {
		for i, rooms := range floors {
			if slices.Contains(rooms, name) {
				return place{i, name}, true
			}
		}
		if folder == "." {
			return place{}, false
		}
		name, folder = folder+"/...", path.Dir(folder)
	}
}
