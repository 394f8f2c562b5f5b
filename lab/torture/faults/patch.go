package faults

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// copyModule copies what is needed to build and test the packages of a module, and of no module below it.
func copyModule(source, target string) error {
	err := filepath.WalkDir(source, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(source, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return enterFolder(path, filepath.Join(target, rel), rel)
		}
		if !d.Type().IsRegular() || !strings.HasSuffix(rel, ".go") && rel != "go.mod" && rel != "go.sum" {
			return nil
		}
		return copyFile(path, filepath.Join(target, rel))
	})
	if err != nil {
		return fmt.Errorf("copy the module: %w", err)
	}
	return nil
}

// enterFolder makes the folder, unless it is hidden, or is another module.
func enterFolder(path, target, rel string) error {
	if rel != "." {
		if strings.HasPrefix(filepath.Base(rel), ".") {
			return fs.SkipDir
		}
		if _, err := os.Stat(filepath.Join(path, "go.mod")); !errors.Is(err, fs.ErrNotExist) {
			return fs.SkipDir
		}
	}
	return os.MkdirAll(target, 0o700)
}

func copyFile(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o600)
}

// apply changes the copy. What undo takes back is all that was changed, also after an error.
func (l *laboratory) apply(f fault) (undo func(), err error) {
	before := map[string][]byte{}
	undo = func() {
		for path, text := range before {
			_ = os.WriteFile(path, text, 0o600)
		}
	}
	for _, e := range f.edits {
		path := filepath.Join(l.tree, e.file)
		text, err := os.ReadFile(path)
		if err != nil {
			return undo, fmt.Errorf("patch: %w", err)
		}
		patched, err := e.patch(string(text))
		if err != nil {
			return undo, err
		}
		if before[path] == nil {
			before[path] = text
		}
		if err := os.WriteFile(path, []byte(patched), 0o600); err != nil {
			return undo, fmt.Errorf("patch: %w", err)
		}
	}
	return undo, nil
}

// patch returns the text with the edit done. A text that occurs more than once after the mark is not patched: nobody knows where.
func (e edit) patch(text string) (string, error) {
	start := strings.Index(text, e.in)
	if start < 0 {
		return "", fmt.Errorf("patch of %s: it no longer has %q", e.file, e.in)
	}
	rest := text[start:]
	if e.in != "" { // up to the end of that function
		if end := strings.Index(rest, "\n}\n"); end >= 0 {
			rest = rest[:end]
		}
	}
	if n := strings.Count(rest, e.old); n != 1 {
		return "", fmt.Errorf("patch of %s: %q occurs %d times, and must occur once", e.file, e.old, n)
	}
	return text[:start] + strings.Replace(rest, e.old, e.new, 1) + text[start+len(rest):], nil
}
