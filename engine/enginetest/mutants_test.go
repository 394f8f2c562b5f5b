package enginetest_test

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/enginetest"
	"github.com/singleton-go/singleton/engine/ramengine"
)

// mutantVar names, to a child process, the broken engine that it is to run the suite on.
const mutantVar = "ENGINETEST_MUTANT"

// A mutant is an engine that breaks a duty, and the case that must notice.
type mutant struct {
	name     string
	fails    string
	wrong    func() wrong            // made anew for each store
	store    func(*enginetest.Store) // changes the ways to reach and to break the store
	beneath  bool                    // the fault is in the store, where no faults of the connection reach it
	realTime bool
}

func mutants() []mutant {
	return slices.Concat(sessionMutants, recordMutants, watchMutants, markMutants, callMutants)
}

// harness makes stores of the mutant; of the zero mutant they are sound.
func (m mutant) harness() enginetest.Harness {
	return enginetest.Harness{
		TTL:    2 * time.Second,
		Bubble: !m.realTime,
		NewStore: func(*testing.T) enginetest.Store {
			root := ramengine.New()
			var above, beneath wrong
			switch {
			case m.beneath:
				beneath = m.wrong()
			case m.wrong != nil:
				above = m.wrong()
			}
			store := enginetest.FaultyStore(func(*testing.T) engine.Engine { return &altered{root.Connect(), beneath} })
			store.Rewind = func(*testing.T) { root.Rewind() }
			connect := store.Connect
			store.Connect = func(t *testing.T) enginetest.Conn {
				c := connect(t)
				c.Engine = &altered{c.Engine, above}
				return c
			}
			if m.store != nil {
				m.store(&store)
			}
			return store
		},
	}
}

func TestSoundEnginePasses(t *testing.T) {
	t.Parallel()
	enginetest.Run(t, mutant{}.harness())
}

// TestMutant is what the child processes of TestEveryMutantIsCaught run.
func TestMutant(t *testing.T) {
	name := os.Getenv(mutantVar)
	if name == "" {
		t.Skip("runs in child processes, where it must fail")
	}
	for _, m := range mutants() {
		if m.name == name {
			enginetest.Run(t, m.harness())
			return
		}
	}
	t.Fatalf("no mutant is called %q", name)
}

func TestEveryMutantIsCaught(t *testing.T) {
	t.Parallel()
	if os.Getenv(mutantVar) != "" {
		t.Skip("this is a child process")
	}
	for _, m := range mutants() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			child := exec.CommandContext(t.Context(), os.Args[0], "-test.timeout=1m",
				"-test.run=^TestMutant$/^"+regexp.QuoteMeta(m.fails)+"$")
			child.Env = append(os.Environ(), mutantVar+"="+m.name)
			out, err := child.CombinedOutput()
			failed := "--- FAIL: TestMutant/" + strings.ReplaceAll(m.fails, " ", "_")
			if err == nil || !strings.Contains(string(out), failed) || !strings.Contains(string(out), "is broken") {
				t.Errorf("the case %q does not notice (%v):\n%.3000s", m.fails, err, out)
			}
		})
	}
}

func TestEveryCaseCatchesAMutant(t *testing.T) {
	t.Parallel()
	caught := map[string]bool{}
	names := map[string]bool{}
	for _, m := range mutants() {
		if _, ok := enginetest.Cases()[m.fails]; !ok {
			t.Errorf("the mutant %q is for an unknown case %q", m.name, m.fails)
		}
		if names[m.name] {
			t.Errorf("two mutants are called %q", m.name)
		}
		caught[m.fails], names[m.name] = true, true
	}
	for name := range enginetest.Cases() {
		if !caught[name] {
			t.Errorf("nothing shows that the case %q can fail", name)
		}
	}
}

func TestEveryDutyHasACase(t *testing.T) {
	t.Parallel()
	covered := map[int]bool{}
	for _, duties := range enginetest.Cases() {
		for _, d := range duties {
			covered[d] = true
		}
	}
	for duty := 1; duty <= 20; duty++ {
		if !covered[duty] {
			t.Errorf("duty %d has no case", duty)
		}
	}
	if len(covered) != 20 {
		t.Errorf("cases are about %d duties, and there are 20", len(covered))
	}
}
