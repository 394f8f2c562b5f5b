package guard

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/singleton-go/singleton/guard/tether"
)

// helper is the name of the helper process.
const helper = "guard"

// A process is one guard process, as the guarded process sees it.
type process struct {
	*tether.Helper

	log    *slog.Logger
	output *output
	ready  chan struct{} // closed when the guard is there
	over   chan struct{} // closed when nothing more is heard of it
}

// An answer is what a guard says to the process that it guards.
type answer struct {
	Ready     bool   `json:",omitempty"`
	Problem   string `json:",omitempty"` // why there is no engine yet
	Recovered bool   `json:",omitempty"` // there is an engine, after problems
}

func startProcess(log *slog.Logger) (*process, error) {
	cmd, err := tether.Command(helper)
	if err != nil {
		return nil, err
	}
	out := &output{log: log}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = time.Second
	h, err := tether.Start(cmd)
	if err != nil {
		return nil, err
	}
	p := &process{Helper: h, log: log, output: out, ready: make(chan struct{}), over: make(chan struct{})}
	log.Debug("guard started", "pid", p.PID())
	go p.listen() // wait waits for it
	return p, nil
}

// listen hears the guard until it is gone.
func (p *process) listen() {
	defer close(p.over)
	there := sync.OnceFunc(func() { close(p.ready) })
	for {
		var a answer
		switch err := p.Receive(&a); {
		case err != nil:
			return
		case a.Ready:
			there()
		case a.Problem != "":
			p.log.Warn("guard has no engine yet", "err", a.Problem)
		case a.Recovered:
			p.log.Info("guard has an engine now")
		}
	}
}

// await waits until the guard is there.
func (p *process) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	select {
	case <-p.ready:
		return nil
	case <-p.over:
		err := p.wait()
		return fmt.Errorf("ended at once: %w: %s", err, bytes.TrimSpace(p.output.begin))
	case <-ctx.Done():
		p.log.Warn("guard is slow to come", "pid", p.PID())
		return nil
	}
}

// wait waits for the guard's end.
func (p *process) wait() error {
	<-p.over
	if err := p.Wait(); err != nil {
		return err
	}
	return errors.New("exit status 0")
}

// An output logs, line by line, what a guard writes to its standard output and error.
type output struct {
	log   *slog.Logger
	begin []byte // of everything, for an error
	line  []byte
}

const outputLimit = 1 << 10

func (o *output) Write(p []byte) (int, error) {
	o.begin = append(o.begin, p[:min(len(p), outputLimit-len(o.begin))]...)
	o.line = append(o.line, p...)
	for {
		line, rest, found := bytes.Cut(o.line, []byte("\n"))
		if !found && len(line) < outputLimit {
			return len(p), nil
		}
		o.log.Warn("guard wrote", "line", string(line))
		o.line = rest
	}
}
