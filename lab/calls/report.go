package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"
)

// A report is what a load has shown.
type report struct {
	Rate    int     `json:"calls_per_second"`
	Seconds float64 `json:"seconds"`
	TTL     float64 `json:"ttl_seconds"`
	Rows    []row   `json:"rows"`

	Acknowledged int `json:"acknowledged"`
	Lost         int `json:"acknowledged_without_effect"`
	TwoTerms     int `json:"effects_under_two_terms"`
	Repeated     int `json:"effects_repeated_under_one_term"`
	Unplanned    int `json:"terms_that_no_fault_ended"`
}

// A row is what became of the calls over one protocol that ended between one fault and the next.
type row struct {
	Protocol string  `json:"protocol"`
	Fault    string  `json:"fault"`
	Calls    int     `json:"calls"`
	Failed   int     `json:"failed"`
	P50      float64 `json:"p50_ms"`
	Longest  float64 `json:"longest_ms"`
	Mild     bool    `json:"no_call_may_fail"`
	Example  string  `json:"an_error,omitempty"`
}

// judge holds what callers were told against what the sink was told.
func judge(o loadOptions, struck []time.Time, records []*record, sink *Sink) *report {
	sink.mu.Lock()
	defer sink.mu.Unlock()
	r := &report{Rate: o.rate, Seconds: o.length.Seconds(), TTL: o.ttl.Seconds(), Repeated: sink.again}
	for _, rec := range records {
		rows := []row{{Protocol: rec.protocol, Fault: "none yet", Mild: true}}
		for _, f := range faults {
			rows = append(rows, row{Protocol: rec.protocol, Fault: f.name, Mild: f.mild})
		}
		latencies := make([][]time.Duration, len(rows))
		for _, call := range rec.results {
			i := before(struck, call.Timestamp.Add(call.Latency))
			rows[i].add(call.Error)
			latencies[i] = append(latencies[i], call.Latency)
			if call.Code == http.StatusOK {
				r.Acknowledged++
				if key := call.URL[strings.LastIndexByte(call.URL, '/')+1:]; len(sink.tokens[key]) == 0 {
					r.Lost++
				}
			}
		}
		for i := range rows {
			rows[i].P50, rows[i].Longest = quantile(latencies[i], 0.5), quantile(latencies[i], 1)
		}
		r.Rows = append(r.Rows, rows...)
	}
	terms := map[string]map[uint64]bool{} // by protocol
	for key, tokens := range sink.tokens {
		if len(tokens) > 1 {
			r.TwoTerms++
		}
		protocol, _, _ := strings.Cut(key, "-")
		if terms[protocol] == nil {
			terms[protocol] = map[uint64]bool{}
		}
		terms[protocol][tokens[0]] = true
	}
	for _, of := range terms {
		r.Unplanned += max(0, len(of)-len(struck)-1)
	}
	return r
}

// before returns how many faults had struck when a call ended: the last of them is what it may have suffered from.
func before(struck []time.Time, ended time.Time) (n int) {
	for _, at := range struck {
		if ended.After(at) {
			n++
		}
	}
	return n
}

func (r *row) add(failure string) {
	r.Calls++
	if failure != "" {
		r.Failed++
		r.Example = failure
	}
}

// verdict says which promise did not hold. Where a leader has lost its leadership by itself, because the machine was too busy for a
// TTL as short as this, calls may have failed at any time.
func (r *report) verdict() error {
	var broken []error
	for _, row := range r.Rows {
		if row.Mild && row.Failed > 0 && r.Unplanned == 0 {
			broken = append(broken, fmt.Errorf("%s, %s: %d calls failed, as: %s", row.Protocol, row.Fault, row.Failed, row.Example))
		}
	}
	for what, n := range map[string]int{
		"acknowledged calls without an effect": r.Lost,
		"calls with effects under two terms":   r.TwoTerms,
		"calls that had their effect twice":    r.Repeated,
	} {
		if n > 0 {
			broken = append(broken, fmt.Errorf("%d %s", n, what))
		}
	}
	return errors.Join(broken...)
}

func (r *report) print(out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(t, "protocol\tfault\tcalls\tfailed\tp50 ms\tlongest ms\t") // Flush tells
	for _, x := range r.Rows {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%.2f\t%.1f\t\n", x.Protocol, x.Fault, x.Calls, x.Failed, x.P50, x.Longest)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "acknowledged %d, of these without an effect %d; effects under two terms %d, twice under one %d\n"+
		"terms that no fault ended: %d\n", r.Acknowledged, r.Lost, r.TwoTerms, r.Repeated, r.Unplanned)
	return err
}

func printJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
