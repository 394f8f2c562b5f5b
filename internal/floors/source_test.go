package floors

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var root = os.DirFS("../..")

// A source is a Go file of a module of the workspace.
type source struct {
	file    string
	folder  string
	module  string // its folder
	imports []string
}

func (s source) test() bool { return strings.HasSuffix(s.file, "_test.go") }

// ours are the folders that s imports.
func (s source) ours() []string {
	var dirs []string
	for _, p := range s.imports {
		if within(project, p) {
			dirs = append(dirs, folder(p))
		}
	}
	return dirs
}

// folder is where a package or module of the project is.
func folder(importPath string) string {
	return path.Clean("./" + strings.TrimPrefix(importPath, project))
}

// within says whether a path is top or below it.
func within(top, p string) bool {
	return top == "." || p == top || strings.HasPrefix(p, top+"/")
}

// sources parses the imports of all Go files, whatever their build tags.
func sources(t *testing.T) []source {
	t.Helper()
	mods := modules(t)
	var all []source
	walk(t, func(file string) {
		if !strings.HasSuffix(file, ".go") {
			return
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, read(t, file), parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		s := source{file: file, folder: path.Dir(file)}
		for _, m := range mods { // sorted, so the innermost comes last
			if within(m, s.folder) {
				s.module = m
			}
		}
		for _, spec := range parsed.Imports {
			p, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			s.imports = append(s.imports, p)
		}
		all = append(all, s)
	})
	return all
}

// modules lists the folders of all modules, sorted.
func modules(t *testing.T) []string {
	t.Helper()
	var dirs []string
	walk(t, func(file string) {
		if path.Base(file) == "go.mod" {
			dirs = append(dirs, path.Dir(file))
		}
	})
	slices.Sort(dirs)
	return dirs
}

// walk visits the files that the go command would see from the root, and those of nested modules. The module of the tools is
// no part of the workspace.
func walk(t *testing.T, visit func(file string)) {
	t.Helper()
	err := fs.WalkDir(root, ".", func(file string, d fs.DirEntry, err error) error {
		name := d.Name()
		switch {
		case err != nil:
			return err
		case !d.IsDir():
			visit(file)
		case file != "." && (name[0] == '.' || name[0] == '_' || name == "testdata" || file == "tools"):
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// directives lists the first arguments of a verb in a go.mod or go.work file.
func directives(t *testing.T, file, verb string) []string {
	t.Helper()
	var args []string
	block := ""
	for line := range strings.Lines(string(read(t, file))) {
		line, _, _ = strings.Cut(line, "//")
		words := strings.Fields(block + " " + line)
		switch {
		case len(words) == 2 && words[1] == "(":
			block = words[0]
		case slices.Contains(words, ")"):
			block = ""
		case len(words) > 1 && words[0] == verb:
			args = append(args, words[1])
		}
	}
	return args
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	text, err := fs.ReadFile(root, file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
