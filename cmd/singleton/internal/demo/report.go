package demo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// A reporter says what happens: to people or to programs.
type reporter interface {
	event(e event, words string)  // no words: for programs
	detail(e event, words string) // of what show shows too
	note(words string)            // for people
	show(v view)                  // the present situation; may be called all the time
	table(rows []row)
	close() // nothing more is said
}

// An event is something that happened, for programs. Its names are part of the face of the command.
type event struct {
	Event     string               `json:"event"`
	At        int64                `json:"at_ms"` // since the sink was opened
	Engine    string               `json:"engine,omitempty"`
	URL       string               `json:"url,omitempty"`
	Dir       string               `json:"dir,omitempty"`
	TTL       *int64               `json:"ttl_ms,omitempty"`
	Limit     *int64               `json:"limit_ms,omitempty"`
	Simulated bool                 `json:"simulated,omitempty"`
	Fault     string               `json:"fault,omitempty"`
	Node      string               `json:"node,omitempty"`
	PID       int                  `json:"pid,omitempty"`
	Units     map[string]unitEvent `json:"units,omitempty"`
	Elections []string             `json:"elections,omitempty"`
	Election  string               `json:"election,omitempty"`
	Token     uint64               `json:"token,omitempty"`
	Gap       *int64               `json:"gap_ms,omitempty"`
	Overlap   *int64               `json:"overlap_ms,omitempty"`
	Refused   *int                 `json:"stale_refused,omitempty"`
}

type unitEvent struct {
	State string `json:"state"`
	Token uint64 `json:"token,omitempty"`
}

func (p *play) say(e event, format string, args ...any) {
	p.report.event(p.stamped(e), fmt.Sprintf(format, args...))
}

func (p *play) stamped(e event) event {
	e.At = p.sink.now().Milliseconds()
	if e.Node != "" {
		e.PID = p.pid(e.Node)
	}
	return e
}

// A row of the table is what one fault did to one election.
type row struct {
	Fault    string `json:"fault"`
	Election string `json:"election"`
	Gap      *int64 `json:"gap_ms"` // null if nobody followed, 0 if another node led anyway
	Overlap  int64  `json:"overlap_ms"`
	Refused  int    `json:"stale_refused"`

	spared bool
	came   handover
}

// rows judges every fault by all that reached the sink up to now.
func (p *play) rows() []row {
	rows := make([]row, 0, len(p.hits))
	for _, h := range p.hits {
		came := handover{done: true}
		if !h.spared {
			came = p.sink.handover(h.election, h.token)
		}
		r := row{Fault: h.fault, Election: h.election, Overlap: *millis(came.overlap), Refused: came.refused, spared: h.spared, came: came}
		if came.done {
			r.Gap = millis(came.gap)
		}
		rows = append(rows, r)
	}
	return rows
}

func (r row) gap() string {
	switch {
	case r.spared:
		return "none: led by another"
	case !r.came.done:
		return "no hand-over"
	}
	return span(r.came.gap)
}

// verdict is an error if something happened that must not.
func verdict(rows []row) error {
	var errs []error
	for _, r := range rows {
		if r.came.overlap > 0 {
			errs = append(errs, fmt.Errorf("%s of %s: effects of two leaders were accepted for %s",
				title(r.Fault), r.Election, span(r.came.overlap)))
		}
	}
	return errors.Join(errs...)
}

// jsonLines is for programs.
type jsonLines struct{ out *json.Encoder }

func (j *jsonLines) event(e event, _ string)  { _ = j.out.Encode(e) } // who listens has noticed
func (j *jsonLines) detail(e event, _ string) { _ = j.out.Encode(e) }
func (j *jsonLines) show(view)                {}
func (j *jsonLines) note(string)              {}
func (j *jsonLines) close()                   {}

func (j *jsonLines) table(rows []row) {
	_ = j.out.Encode(struct {
		Event  string `json:"event"`
		Faults []row  `json:"faults"`
	}{"summary", rows})
}

// textLines is for people who read it later, or elsewhere.
type textLines struct{ out io.Writer }

func (t *textLines) event(e event, words string) { _, _ = io.WriteString(t.out, eventLines(e, words)) }
func (t *textLines) note(words string)           { _, _ = io.WriteString(t.out, noteLines(words)) }
func (t *textLines) show(view)                   {}
func (t *textLines) close()                      {}
func (t *textLines) table(rows []row)            { _, _ = t.out.Write(tableOf(rows)) }

func (t *textLines) detail(e event, words string) {
	_, _ = fmt.Fprintf(t.out, stamp+"%s\n", e.seconds(), words)
}

const stamp = "%6.1f s  "

func (e event) seconds() float64 { return float64(e.At) / 1000 }

// eventLines is an event as people read it: when, and what.
func eventLines(e event, words string) string {
	if words == "" {
		return ""
	}
	return hang(fmt.Sprintf(stamp, e.seconds()), words)
}

func noteLines(words string) string { return hang("", words) + "\n" }

// lineWidth is that of the terminals of old, which every other one is at least.
const lineWidth = 80

// hang breaks words into lines that begin below each other.
func hang(first, words string) string {
	var b strings.Builder
	b.WriteString(first)
	at := len(first)
	for i, word := range strings.Fields(words) {
		switch {
		case i == 0:
		case at+1+len(word) > lineWidth:
			b.WriteString("\n" + strings.Repeat(" ", len(first)))
			at = len(first)
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += len(word)
	}
	b.WriteByte('\n')
	return b.String()
}

// tableOf is what people see at the end.
func tableOf(rows []row) []byte {
	var b bytes.Buffer
	b.WriteByte('\n')
	w := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	_, _ = fmt.Fprintln(w, "FAULT\tELECTION\tGAP\tOVERLAP\tSTALE EFFECTS REFUSED")
	for _, r := range rows {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\n", title(r.Fault), r.Election, r.gap(), span(r.came.overlap), r.Refused)
	}
	_ = w.Flush()
	b.WriteString("\n" + noteLines("Gap: from the last accepted effect of the old leader to the first of the new one. "+
		"Overlap: for how long effects of both were accepted; it must be 0."))
	return b.Bytes()
}

// span writes a duration for people.
func span(d time.Duration) string {
	switch {
	case d == 0:
		return "0"
	case d < time.Second:
		return fmt.Sprintf("%d ms", *millis(d))
	case d%time.Second == 0:
		return fmt.Sprintf("%d s", d/time.Second)
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

// millis rounds up: what is not 0 must not look like it.
func millis(d time.Duration) *int64 {
	ms := int64((d + time.Millisecond - 1) / time.Millisecond)
	return &ms
}

func count(n int, what string) string {
	switch n {
	case 0:
		return "no " + what
	case 1:
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// endedBy are the elections whose terms a fault ends.
func endedBy(hits []hit) []string {
	var all []string
	for _, h := range hits {
		if !h.spared {
			all = append(all, h.election)
		}
	}
	return all
}
