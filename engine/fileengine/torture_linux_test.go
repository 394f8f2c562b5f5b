package fileengine_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/singleton-go/singleton/engine"
)

var tortureFor = flag.Duration("torture", 3*time.Second, "how long processes are stopped and killed at random")

const workers = 8

// work creates and deletes in a few queues until its input ends, and says what it did: "+ key" after a creation, "- key"
// after a deletion, "end" when nothing follows. Beside that it watches.
func work(ctx context.Context, dir string, _ []string) error {
	e, s, err := openSession(ctx, dir)
	if err != nil {
		return err
	}
	over := make(chan struct{})
	go func() {
		bufio.NewReader(os.Stdin).ReadByte() //nolint:errcheck // its end is what is waited for
		close(over)
	}()
	watching, cancel := context.WithCancel(ctx)
	m := newMirror()
	var group sync.WaitGroup
	group.Go(func() { m.follow(watching, e, "") })
	err = churn(ctx, s, over)
	cancel()
	group.Wait()
	if err = errors.Join(err, m.broken); err != nil {
		return err
	}
	fmt.Println("end")
	<-time.After(time.Hour) // the session is to live on until the process is killed
	return nil
}

// churn makes random changes, with pauses that leave something of the machine to the others.
func churn(ctx context.Context, s engine.Session, over chan struct{}) error {
	var mine []engine.Record
	for i := 0; ; i++ {
		select {
		case <-over:
			return nil
		case <-time.After(rand.N(2 * time.Millisecond)):
		}
		if err := s.Renew(ctx); err != nil {
			return err
		}
		if len(mine) < 5 || len(mine) < 15 && rand.N(2) == 0 {
			key := fmt.Sprintf("q%d/%s-%d", rand.N(3), s.ID(), i)
			r, err := createAnyhow(ctx, s, key)
			if err != nil {
				return err
			}
			mine = append(mine, r)
			fmt.Println("+", key)
			continue
		}
		at := rand.N(len(mine))
		r := mine[at]
		if rand.N(4) == 0 {
			if err := twice(func() error { _, err := s.Replace(ctx, r, make([]byte, rand.N(200))); return err }); err != nil {
				return err
			}
			continue
		}
		if err := twice(func() error { return s.Delete(ctx, r) }); err != nil {
			return err
		}
		fmt.Println("-", r.Key)
		mine = slices.Delete(mine, at, at+1)
	}
}

// A victim is a process at work, and the records that it must have.
type victim struct {
	*process
	mine map[string]bool
	read chan struct{} // closed when all it said was read
	err  error
}

func newVictim(t *testing.T, dir string) *victim {
	t.Helper()
	v := &victim{process: start(t, "work", dir), mine: map[string]bool{}, read: make(chan struct{})}
	go func() {
		defer close(v.read)
		for line := range v.lines {
			what, rest, _ := strings.Cut(line, " ")
			switch what {
			case "+":
				v.mine[rest] = true
			case "-":
				delete(v.mine, rest)
			case "end":
				return
			default:
				v.err = errors.New(line)
			}
		}
	}()
	return v
}

func TestTorture(t *testing.T) {
	t.Parallel()
	dir := inMemory(t)
	e := connect(t, dir)
	m := mirrorOf(t, e, "")
	victims := make([]*victim, workers)
	for i := range victims {
		victims[i] = newVictim(t, dir)
	}
	over := make(chan struct{})
	var probing sync.WaitGroup
	probing.Go(func() { probe(t, e, over) })
	kills, stops := 0, 0
	for deadline := time.Now().Add(*tortureFor); time.Now().Before(deadline); {
		i := rand.N(workers)
		v := victims[i]
		switch rand.N(10) {
		case 0:
			v.kill()
			<-v.read
			if v.err != nil {
				t.Errorf("a process says: %v", v.err)
			}
			victims[i] = newVictim(t, dir)
			kills++
		case 1, 2, 3, 4:
			v.signal(syscall.SIGSTOP)
			stops++
		default:
			v.signal(syscall.SIGCONT)
		}
		time.Sleep(rand.N(10 * time.Millisecond))
	}
	close(over)
	probing.Wait()
	var want []string
	for _, v := range victims {
		v.signal(syscall.SIGCONT)
		_ = v.stdin.Close()
		<-v.read
		if v.err != nil {
			t.Errorf("a process says: %v", v.err)
		}
		want = slices.AppendSeq(want, maps.Keys(v.mine))
	}
	m.shows(t, want...)
	mirrorOf(t, connect(t, dir), "").shows(t, want...)
	t.Logf("%d stops, %d kills, %d records left, last change %d", stops, kills, len(want), m.highest())
	for _, v := range victims {
		v.kill()
	}
	m.shows(t)
}

// probe makes sure that a process that nobody stops is never held up.
func probe(t *testing.T, e engine.Engine, over chan struct{}) {
	m := mirrorOf(t, e, "probe/")
	s := open(t, e)
	for i := 0; ; i++ {
		select {
		case <-over:
			return
		case <-time.After(10 * time.Millisecond):
		}
		r := create(t, s, fmt.Sprint("probe/", i))
		m.shows(t, r.Key)
		if err := s.Delete(t.Context(), r); err != nil {
			t.Error(err)
			return
		}
		m.shows(t)
	}
}

// highest is the highest Created that was seen.
func (m *mirror) highest() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Max(append(slices.Collect(maps.Values(m.newest)), 0))
}
