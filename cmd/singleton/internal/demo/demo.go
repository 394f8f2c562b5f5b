package demo

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/singleton-go/singleton/discovery"
)

// Options say what is to be shown, and how.
type Options struct {
	Engine string        // "etcd" or "ram"
	TTL    time.Duration // of the sessions; 0 means 5 s on etcd, 2 s on ram
	JSON   bool          // events as JSON lines instead of text
	Keep   bool          // go on after the table until ctx ends
	Out    io.Writer
}

const (
	minTTL = time.Second // etcd has no shorter one
	maxTTL = time.Minute
)

// Check says what is wrong with the options, by the flags that set them.
func (o Options) Check() error {
	switch {
	case o.Engine != "etcd" && o.Engine != "ram":
		return fmt.Errorf("--engine %q: must be etcd or ram", o.Engine)
	case o.TTL != 0 && (o.TTL < minTTL || o.TTL > maxTTL):
		return fmt.Errorf("--ttl %v: must be from %v to %v", o.TTL, minTTL, maxTTL)
	case o.TTL%time.Second != 0:
		return fmt.Errorf("--ttl %v: must be whole seconds", o.TTL)
	}
	return nil
}

// Run gives the play. It returns nil if every fault led to a hand-over, within its limit and without an overlap. When it
// returns, no process and no file is left of it; this also holds if this process is killed.
func Run(ctx context.Context, o Options) (err error) {
	if err := o.Check(); err != nil {
		return err
	}
	parent := goRun()
	open, ttl := openProcesses, 5*time.Second
	if o.Engine == "ram" {
		open, ttl = openMemory, 2*time.Second
	}
	ttl = cmp.Or(o.TTL, ttl)
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	report, rests := audience(o, &listener{out: o.Out, lost: stop})
	defer report.close()
	sink, err := openSink()
	if err != nil {
		return err
	}
	defer sink.close()
	stage, err := open(ttl, sink.url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stage.close()) }()
	return (&play{
		ttl: ttl, limit: limitOf(ttl), rests: rests, parent: parent, faults: faults[:], stage: stage, sink: sink, report: report,
	}).open(ctx, o)
}

// open gives the play as an observer of the cluster sees it.
func (p *play) open(ctx context.Context, o Options) error {
	d, err := discovery.Open(p.stage.store(), discovery.Config{
		Prefix: prefix, Node: "observer", Observer: true, Timing: discovery.Timing{TTL: p.ttl},
	})
	if err != nil {
		return err
	}
	over, stop := context.WithCancel(ctx)
	clusters := make(chan discovery.Cluster)
	var observer sync.WaitGroup
	observer.Go(func() {
		defer close(clusters)
		for c, err := range d.Observe(over) {
			if err != nil {
				return
			}
			select {
			case clusters <- c:
			case <-over.Done():
			}
		}
	})
	p.clusters = clusters
	err = p.perform(ctx, o)
	stop()
	observer.Wait()
	return errors.Join(err, d.Close(context.WithoutCancel(ctx)))
}

// audience finds out who looks: how it is told, and how long it needs to look at one thing.
func audience(o Options, out io.Writer) (reporter, time.Duration) {
	switch {
	case o.JSON:
		return &jsonLines{json.NewEncoder(out)}, frame
	case isTerminal(o.Out):
		return &screen{out: out, color: os.Getenv("NO_COLOR") == ""}, 2 * time.Second
	}
	return &textLines{out}, frame
}

// isTerminal says whether what is written there is seen as it is written, and can be overwritten.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"
}

// goRun returns the process id of the 'go run' that runs this program, and 0 if none does. Who ends that one means the program, but
// it passes no signal on.
func goRun() int {
	self, err := os.Executable()
	if err != nil {
		return 0
	}
	built := filepath.Base(filepath.Dir(self)) // in the build cache, where files that are run have folders of their own
	cached := len(built) == 66 && strings.HasSuffix(built, "-d")
	if !cached && !strings.Contains(filepath.ToSlash(self), "/go-build") {
		return 0
	}
	return os.Getppid()
}

// A listener is whom the play is given for. When it has gone, the play ends.
type listener struct {
	out  io.Writer
	lost context.CancelCauseFunc
}

func (l *listener) Write(b []byte) (int, error) {
	n, err := l.out.Write(b)
	if err != nil {
		l.lost(fmt.Errorf("output: %w", err))
	}
	return n, err
}
