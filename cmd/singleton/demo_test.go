package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

func TestDemoHelp(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile("testdata/demo-help.txt")
	if err != nil {
		t.Fatal(err)
	}
	if got, _, err := call(t, "demo", "--help"); err != nil || got != string(want) {
		t.Errorf("demo --help: %v\n%s\nwant testdata/demo-help.txt:\n%s", err, got, want)
	}
}

func TestDemoRefusesBadFlags(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"--engine=zookeeper":     `--engine "zookeeper": must be etcd or ram`,
		"--engine=":              `--engine "": must be etcd or ram`,
		"--ttl=999ms":            `--ttl 999ms: must be from 1s to 1m0s`,
		"--ttl=-5s":              `--ttl -5s: must be from 1s to 1m0s`,
		"--ttl=61s":              `--ttl 1m1s: must be from 1s to 1m0s`,
		"--ttl=1500ms":           `--ttl 1.5s: must be whole seconds`,
		"--ttl=soon":             `invalid argument "soon" for "--ttl" flag: time: invalid duration "soon"`,
		"--json=perhaps":         `invalid argument "perhaps" for "--json" flag: strconv.ParseBool: parsing "perhaps": invalid syntax`,
		"--engine=ram --ttl=1ms": `--ttl 1ms: must be from 1s to 1m0s`,
	} {
		stdout, stderr, err := call(t, append([]string{"demo"}, strings.Fields(args)...)...)
		if want = "singleton: " + want + "; see 'singleton demo --help'\n"; exitCode(err) != exitUsage || stdout != "" || stderr != want {
			t.Errorf("demo %s: exit code %d\nstdout %q\nstderr %q\nwant   %q", args, exitCode(err), stdout, stderr, want)
		}
	}
}

func TestDemoOnMemory(t *testing.T) {
	t.Parallel()
	stdout, stderr, err := call(t, "demo", "--engine=ram", "--ttl=1s", "--json")
	if err != nil || stderr != "" {
		t.Fatalf("%v\n%s\n%s", err, stderr, stdout)
	}
	checkSummary(t, stdout)
}

func TestDemoOnMemoryForPeople(t *testing.T) {
	t.Parallel()
	stdout, stderr, err := call(t, "demo", "--engine=ram", "--ttl=1s")
	if err != nil || stderr != "" {
		t.Fatalf("%v\n%s\n%s", err, stderr, stdout)
	}
	for _, want := range []string{
		"simulated", " SIGKILL: node-1 is killed", " SIGTERM: node-2 is told", " SIGSTOP: node-3 is paused", " SIGCONT: node-3 goes on",
		"node-4 leads service/ledger under token ", "\nFAULT     ELECTION           GAP",
		"\nSIGTERM   worker/data-sync   ", "node-2: worker/data-sync pending; service/ledger pending\n",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("does not say %q:\n%s", want, stdout)
		}
	}
	if strings.Contains(stdout, "\x1b") {
		t.Errorf("a pipe got the codes of a terminal:\n%q", stdout)
	}
}

// A summary is the last line for programs.
type summary struct {
	Event  string  `json:"event"`
	Faults []fault `json:"faults"`
}

type fault struct {
	Fault    string `json:"fault"`
	Election string `json:"election"`
	Gap      *int   `json:"gap_ms"`
	Overlap  int    `json:"overlap_ms"`
	Refused  int    `json:"stale_refused"`
}

// checkSummary checks the events that the demo wrote: the last line has exactly the form that programs rely on, and what it says
// is what must hold.
func checkSummary(t *testing.T, stdout string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
	last := lines[len(lines)-1]
	for _, line := range lines {
		var e struct{ Event string }
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Event == "" || e.Event == "summary" && line != last {
			t.Errorf("event %q: %v", line, err)
		}
	}
	var s summary
	if err := json.Unmarshal([]byte(last), &s); err != nil {
		t.Fatalf("summary %q: %v", last, err)
	}
	if again, _ := json.Marshal(s); string(again) != last || s.Event != "summary" {
		t.Errorf("summary %s\nhas more or less than %s", last, again)
	}
	var rows []string
	for _, f := range s.Faults {
		rows = append(rows, f.Fault+" "+f.Election)
		if f.Gap == nil || *f.Gap < 0 || f.Overlap != 0 || f.Refused < 0 {
			t.Errorf("%s", last)
		}
	}
	if got, want := strings.Join(rows, ", "), "sigkill worker/data-sync, sigkill service/ledger, sigterm worker/data-sync, "+
		"sigterm service/ledger, sigstop worker/data-sync, sigstop service/ledger"; got != want {
		t.Fatalf("rows %s\nwant %s", got, want)
	}
	if paused := s.Faults[4:]; paused[0].Refused+paused[1].Refused == 0 {
		t.Errorf("nothing of the paused node was refused: %s", last)
	}
}
