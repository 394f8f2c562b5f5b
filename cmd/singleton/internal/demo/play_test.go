package demo

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// give gives a short play on memory, with these faults in place of the true ones.
func give(t *testing.T, limit time.Duration, faults ...fault) (string, error) {
	t.Helper()
	sink, err := openSink()
	if err != nil {
		t.Fatal(err)
	}
	defer sink.close()
	stage, err := openMemory(minTTL, sink.url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := stage.close(); err != nil {
			t.Error(err)
		}
	}()
	var out bytes.Buffer
	o := Options{Engine: "ram", JSON: true, Out: &out}
	report, rests := audience(o, &out)
	p := &play{ttl: minTTL, limit: limit, rests: rests, faults: faults, stage: stage, sink: sink, report: report}
	err = p.open(t.Context(), o)
	return out.String(), err
}

func nothing(actor) error { return nil }

var wait = func(*play, context.Context, *player) error { return nil }

func TestPlayFailsWhereNobodyFollows(t *testing.T) {
	t.Parallel()
	out, err := give(t, 3*time.Second, fault{name: "sigkill", title: "SIGKILL", does: nothing, state: killed, then: wait})
	if want := "no hand-over of worker/data-sync after SIGKILL within 3s"; err == nil || err.Error() != want {
		t.Errorf("ended with %v, want %s", err, want)
	}
	if !strings.Contains(out, `{"fault":"sigkill","election":"worker/data-sync","gap_ms":null,"overlap_ms":0,"stale_refused":0}`) {
		t.Errorf("the summary does not say so:\n%s", out)
	}
}

func TestPlayFailsWhereANodeEndsByItself(t *testing.T) {
	t.Parallel()
	_, err := give(t, 30*time.Second, fault{name: "sigkill", title: "SIGKILL", does: actor.terminate, state: running, then: wait})
	if err == nil || !strings.HasPrefix(err.Error(), "node-1 ended by itself") {
		t.Errorf("ended with %v", err)
	}
}

func TestPlayFailsWhereAFaultCantBeDone(t *testing.T) {
	t.Parallel()
	broken := errors.New("no such process")
	_, err := give(t, 30*time.Second, fault{name: "sigterm", title: "SIGTERM", does: func(actor) error { return broken }})
	if want := "SIGTERM to node-1: no such process"; err == nil || err.Error() != want {
		t.Errorf("ended with %v, want %s", err, want)
	}
}

func TestOverlapIsAFailure(t *testing.T) {
	t.Parallel()
	var h history
	h.accept("worker/data-sync", 7, 10*time.Millisecond)
	h.accept("worker/data-sync", 9, 20*time.Millisecond)
	h.accept("worker/data-sync", 7, 20*time.Millisecond+time.Microsecond)
	p := &play{sink: &sink{history: h}, hits: []hit{
		{fault: "sigstop", election: "worker/data-sync", token: 7},
		{fault: "sigstop", election: "service/ledger", token: 8, spared: true},
	}}
	rows := p.rows()
	err := verdict(rows)
	if want := "SIGSTOP of worker/data-sync: effects of two leaders were accepted for 1 ms"; err == nil || err.Error() != want {
		t.Errorf("verdict %v, want %s", err, want)
	}
	if rows[0].Overlap != 1 || *rows[1].Gap != 0 {
		t.Errorf("rows %+v", rows)
	}
	table := string(tableOf(rows))
	for _, want := range []string{"SIGSTOP   worker/data-sync   0                      1 ms", "service/ledger     none: led by another   0 "} {
		if !strings.Contains(table, want) {
			t.Errorf("the table lacks %q:\n%s", want, table)
		}
	}
	if err := verdict(rows[1:]); err != nil {
		t.Errorf("verdict without an overlap: %v", err)
	}
}

func TestNodeEndsWithItsDemo(t *testing.T) {
	t.Parallel()
	in, demo := io.Pipe()
	if err := demo.Close(); err != nil {
		t.Fatal(err)
	}
	o := NodeOptions{Name: "node-1", Store: "http://127.0.0.1:1", Sink: "http://127.0.0.1:1", TTL: time.Minute}
	if err := Node(t.Context(), o, in, t.Output()); !errors.Is(err, errAlone) {
		t.Errorf("ended with %v", err)
	}
}

func TestSpans(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0", time.Nanosecond: "1 ms", 999 * time.Millisecond: "999 ms", time.Second: "1 s", 15 * time.Second: "15 s",
		1234 * time.Millisecond: "1.23 s",
	} {
		if got := span(d); got != want {
			t.Errorf("%v is written %s, want %s", d, got, want)
		}
	}
}
