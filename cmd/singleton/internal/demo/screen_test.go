package demo

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/singleton-go/singleton/discovery"
)

// A terminal understands what a screen needs.
type terminal struct {
	lines []string
	row   int
}

var (
	code  = regexp.MustCompile("^\x1b\\[([?0-9]*)([A-Za-z])")
	color = regexp.MustCompile("\x1b\\[[0-9]+m")
)

func newTerminal() *terminal { return &terminal{lines: []string{""}} }

func (t *terminal) Write(b []byte) (int, error) {
	for s := string(b); s != ""; {
		if m := code.FindStringSubmatch(s); m != nil {
			t.control(m[1], m[2])
			s = s[len(m[0]):]
			continue
		}
		switch c := s[0]; c {
		case '\r':
			t.lines[t.row] = ""
		case '\n':
			if t.row++; t.row == len(t.lines) {
				t.lines = append(t.lines, "")
			}
		default:
			t.lines[t.row] += string(c)
		}
		s = s[1:]
	}
	return len(b), nil
}

func (t *terminal) control(number, verb string) {
	switch verb {
	case "A":
		up, _ := strconv.Atoi(number)
		t.row -= up
	case "J":
		t.lines = append(t.lines[:t.row:t.row], "")
	}
}

func (t *terminal) String() string { return strings.Join(t.lines, "\n") }

// situation is one that a screen shows.
func situation(accepted int) view {
	return view{
		rows: []viewRow{
			{node: "node-1", state: killed, pid: 4711, units: units{{discovery.Ready, 7}, {discovery.Stopping, 8}}},
			{node: "node-2", state: running, units: units{{discovery.Pending, 0}, {}}},
		},
		lanes: []lane{{election: elections[0], leader: "node-1", token: 7, tally: tally{accepted: accepted, refused: 1}, idle: 3 * frame}},
	}
}

const panelOf41 = `
  NODE      PID       PROCESS   WORKER/DATA-SYNC  SERVICE/LEDGER
  node-1    4711      killed    ready             stopping        
  node-2              running   pending           -               

  ELECTION          LEADER    TOKEN             ACCEPTED  REFUSED  NOBODY FOR
  worker/data-sync  node-1    7                       41        1  0.3 s
`

func TestScreenKeepsItsPanelBelowWhatHappens(t *testing.T) {
	t.Parallel()
	on := newTerminal()
	s := &screen{out: on}
	s.show(situation(1))
	s.event(event{Event: "fault", At: 1234}, "SIGKILL: node-1")
	s.show(situation(40))
	s.event(event{Event: "start"}, "") // for programs
	s.detail(event{Event: "node"}, "is in the panel")
	s.event(event{Event: "handover", At: 56_789}, strings.Repeat("many words ", 10))
	s.show(situation(41))
	const said = `   1.2 s  SIGKILL: node-1
  56.8 s  many words many words many words many words many words many words many
          words many words many words many words
`
	if got := on.String(); got != said+panelOf41 {
		t.Errorf("shows\n%s\nwant\n%s", got, said+panelOf41)
	}
	s.close()
	if got := on.String(); got != said {
		t.Errorf("leaves\n%s\nwant\n%s", got, said)
	}
}

func TestScreenWritesOnlyWhatChanges(t *testing.T) {
	t.Parallel()
	var writes counter
	s := &screen{out: &writes}
	for range 10 {
		s.show(situation(1))
	}
	if writes != 1 {
		t.Errorf("%d writes of one panel", writes)
	}
}

type counter int

func (c *counter) Write(b []byte) (int, error) { *c++; return len(b), nil }

func TestColours(t *testing.T) {
	t.Parallel()
	plain, coloured := &screen{}, &screen{color: true}
	with := coloured.render(situation(41))
	if without := plain.render(situation(41)); without != panelOf41 || color.ReplaceAllString(with, "") != without {
		t.Errorf("without colours\n%s\nwith colours\n%q", without, with)
	}
	if got := coloured.paint(red, "x"); got != "\x1b[31mx\x1b[0m" || !strings.Contains(with, fmt.Sprintf("\x1b[%smkilled", red)) {
		t.Errorf("red is %q; panel %q", got, with)
	}
}
