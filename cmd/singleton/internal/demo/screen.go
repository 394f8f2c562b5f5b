package demo

import (
	"fmt"
	"io"
	"strings"
)

// A screen is a terminal: what happens stands line by line, and below it a panel that shows what is now.
type screen struct {
	out   io.Writer
	color bool
	panel string // as it stands there
}

const (
	lineWrapOff = "\x1b[?7l" // a line that is too long is cut, so that the panel has as many lines as were written
	lineWrapOn  = "\x1b[?7h"
	clearBelow  = "\x1b[J"

	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

func (s *screen) event(e event, words string) { s.above(s.highlight(e, stampedLine(e, words))) }

func (s *screen) detail(event, string) {} // the panel has it

func (s *screen) table(rows []row) { s.above(string(tableOf(rows))) }

func (s *screen) note(words string) { s.above("\n" + words + "\n") }

func (s *screen) close() { s.draw("", "") }

func (s *screen) show(v view) {
	if panel := s.render(v); panel != s.panel {
		s.draw("", panel)
	}
}

// above writes what stays, above the panel.
func (s *screen) above(text string) { s.draw(text, s.panel) }

// draw replaces the panel, in one write: a process that is killed leaves the terminal as it should be.
func (s *screen) draw(text, panel string) {
	var b strings.Builder
	if n := strings.Count(s.panel, "\n"); n > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\r", n)
	}
	b.WriteString(clearBelow + text + lineWrapOff + panel + lineWrapOn)
	_, _ = io.WriteString(s.out, b.String())
	s.panel = panel
}

func (s *screen) render(v view) string {
	var b strings.Builder
	b.WriteByte('\n')
	s.line(&b, dim, "NODE", "PID", "PROCESS", strings.ToUpper(elections[0]), strings.ToUpper(elections[1]))
	for _, r := range v.rows {
		s.row(&b, r)
	}
	b.WriteByte('\n')
	for _, l := range v.lanes {
		fmt.Fprintf(&b, "  %-18s %6d effects accepted, %d refused", l.election, l.accepted, l.refused)
		if l.accepted > 0 && l.idle >= 3*frame {
			b.WriteString(s.paint(red, fmt.Sprintf(", nobody does it since %.1f s", l.idle.Seconds())))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func (s *screen) row(b *strings.Builder, r viewRow) {
	pid := "-"
	if r.pid != 0 {
		pid = fmt.Sprint(r.pid)
	}
	states := map[string]string{killed: red, paused: yellow, stopping: yellow}
	fmt.Fprintf(b, "  %-8s %-8s %s ", r.node, pid, s.paint(states[r.state], fmt.Sprintf("%-9s", r.state)))
	for _, c := range r.cells {
		style := dim
		if c.token != 0 {
			style = green
		}
		b.WriteString(" " + s.paint(style, fmt.Sprintf("%-22s", c)))
	}
	b.WriteByte('\n')
}

func (s *screen) line(b *strings.Builder, style string, c ...any) {
	b.WriteString(s.paint(style, fmt.Sprintf("  %-8s %-8s %-9s  %-22s %-22s", c...)) + "\n")
}

func (s *screen) highlight(e event, line string) string {
	styles := map[string]string{"fault": bold, "resume": bold, "handover": green}
	return s.paint(styles[e.Event], line)
}

func (s *screen) paint(style, text string) string {
	if style == "" || !s.color {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}
