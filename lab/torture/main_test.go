package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"strings"
	"testing"
)

func TestACommandIsFoundByItsName(t *testing.T) {
	t.Parallel()
	broken := errors.New("it ran twice")
	var got []string
	all := []command{
		{"fine", "is fine", func(_ context.Context, args []string, _, _ io.Writer) error { got = args; return nil }},
		{"bad", "is bad", func(context.Context, []string, io.Writer, io.Writer) error { return broken }},
		{"told", "tells", func(context.Context, []string, io.Writer, io.Writer) error { return flag.ErrHelp }},
	}
	for _, c := range []struct {
		args   string
		status int
		says   string
	}{
		{"fine -n 3", 0, ""},
		{"bad", 1, "it ran twice"},
		{"told -h", 0, ""},
		{"other", 2, `unknown command "other"`},
		{"", 2, "usage:"},
	} {
		var diag bytes.Buffer
		err := run(t.Context(), all, strings.Fields(c.args), io.Discard, &diag)
		if s := status(err, &diag); s != c.status || !strings.Contains(diag.String(), c.says) {
			t.Errorf("%q: status %d, %s", c.args, s, &diag)
		}
	}
	if strings.Join(got, " ") != "-n 3" {
		t.Errorf("the command got %q", got)
	}
}
