package floors

import (
	"io/fs"
	"path"
	"regexp"
	"strings"
	"testing"
)

// A test that is renamed would leave a document behind that promises what nobody can look up.
func TestTestsThatTheDocumentsNameExist(t *testing.T) {
	t.Parallel()
	declared := map[string]bool{}
	walk(t, func(file string) {
		if !strings.HasSuffix(file, "_test.go") {
			return
		}
		for _, name := range matches(`(?m)^func (Test\w+)\(`, read(t, file)) {
			declared[name] = true
		}
	})
	named := 0
	documents(t, func(file string, text []byte) {
		for _, name := range matches("`(Test[A-Z]\\w+)`", text) {
			named++
			if !declared[name] {
				t.Errorf("%s: there is no test %s", file, name)
			}
		}
	})
	if named == 0 {
		t.Error("no document names a test: this test looks for the wrong thing")
	}
}

func TestLinksBetweenTheDocumentsLead(t *testing.T) {
	t.Parallel()
	documents(t, func(file string, text []byte) {
		for _, link := range matches(`\]\(([^)#:\s]+)[^):]*\)`, text) {
			if _, err := fs.Stat(root, path.Join(path.Dir(file), link)); err != nil {
				t.Errorf("%s: the link to %s leads nowhere: %v", file, link, err)
			}
		}
	})
}

func documents(t *testing.T, visit func(file string, text []byte)) {
	t.Helper()
	walk(t, func(file string) {
		if strings.HasSuffix(file, ".md") {
			visit(file, read(t, file))
		}
	})
}

// matches returns the first group of each match.
func matches(pattern string, text []byte) (groups []string) {
	for _, m := range regexp.MustCompile(pattern).FindAllSubmatch(text, -1) {
		groups = append(groups, string(m[1]))
	}
	return groups
}
