package demo

import (
	"fmt"
	"io"
	"strconv"
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

func (s *screen) event(e event, words string) { s.above(s.highlight(e, eventLines(e, words))) }

func (s *screen) detail(event, string) {} // the panel has it

func (s *screen) table(rows []row) { s.above(string(tableOf(rows))) }

func (s *screen) note(words string) { s.above(noteLines(words)) }

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

const (
	nodeLine     = "  %-8s  %-8s  %s  %s  %s"
	electionLine = "  %-16s  %-8s  %-16v  %8v  %7v  %s"
)

func (s *screen) render(v view) string {
	var b strings.Builder
	header := func(format string, names ...any) {
		b.WriteString("\n" + s.paint(dim, fmt.Sprintf(format, names...)) + "\n")
	}
	header(nodeLine, "NODE", "PID", "PROCESS ", fmt.Sprintf("%-16s", strings.ToUpper(elections[0])), strings.ToUpper(elections[1]))
	for _, r := range v.rows {
		b.WriteString(s.node(r) + "\n")
	}
	header(electionLine, "ELECTION", "LEADER", "TOKEN", "ACCEPTED", "REFUSED", "NOBODY FOR")
	for _, l := range v.lanes {
		b.WriteString(s.election(l) + "\n")
	}
	return b.String()
}

func (s *screen) node(r viewRow) string {
	pid := ""
	if r.pid != 0 {
		pid = strconv.Itoa(r.pid)
	}
	state := s.paint(map[string]string{killed: red, paused: yellow, stopping: yellow}[r.state], fmt.Sprintf("%-8s", r.state))
	return fmt.Sprintf(nodeLine, r.node, pid, state, s.unit(r.units[0]), s.unit(r.units[1]))
}

func (s *screen) unit(c cell) string {
	style := dim
	if c.token != 0 {
		style = green
	}
	return s.paint(style, fmt.Sprintf("%-16s", c.name()))
}

func (s *screen) election(l lane) string {
	idle := ""
	if l.accepted > 0 && l.idle >= 3*frame {
		idle = s.paint(red, fmt.Sprintf("%.1f s", l.idle.Seconds()))
	}
	token := ""
	if l.token != 0 {
		token = strconv.FormatUint(l.token, 10)
	}
	return fmt.Sprintf(electionLine, l.election, l.leader, token, l.accepted, l.refused, idle)
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
