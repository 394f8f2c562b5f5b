package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/cmd/singleton/internal/shim"
	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/election"
	"github.com/singleton-go/singleton/engine"
)

// run waits, leads and runs the command, until that is through.
func (o *runOptions) run(cmd *cobra.Command, args []string) error {
	if o.name == "" {
		return runFailure(exitRunFailed, wrongUsage(cmd, errors.New("--name: say what may run in one place at a time")))
	}
	if o.grace < 0 {
		return runFailure(exitRunFailed, wrongUsage(cmd, fmt.Errorf("--grace %v: must not be negative", o.grace)))
	}
	path, err := lookPath(args[0])
	if err != nil {
		return err
	}
	store, err := o.store.open(cmd.Context(), cmd)
	if err != nil {
		return runFailure(exitRunFailed, err)
	}
	defer store.Close()
	outliveReaders()
	said := newCourier(cmd.ErrOrStderr())
	defer said.close()
	log := newLineLog(said, "singleton: "+o.name+": ")
	url, _ := o.store.engineURL()
	owner, err := shim.New(shim.Store{URL: url, Options: o.store.options}, log)
	if err != nil {
		return runFailure(exitRunFailed, err)
	}
	rt, err := singleton.New(owner.Protect(store.Engine), singleton.Config{
		Prefix: store.Prefix, Node: o.node, Grace: o.grace + graceOfOurs, Logger: log,
		Timing: discovery.Timing{TTL: o.ttl, Drain: o.drain},
	})
	if err != nil {
		return runFailure(exitRunFailed, errors.Join(wrongUsage(cmd, bare(err)), owner.Stop()))
	}
	j := &job{
		o: *o, path: path, args: args, node: ownNode(o.node), owner: owner, rt: rt, log: log, stderr: said,
	}
	return errors.Join(j.live(cmd.Context()), owner.Stop())
}

// outliveReaders lets a write to a pipe that nobody reads any more fail, and no more than that: a log that has gone must not take the
// command with it. The signal is received and not ignored, since the command would inherit that.
func outliveReaders() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

// graceOfOurs is how much longer than the command's grace time the end of all its processes may take before they are called stuck.
const graceOfOurs = 5 * time.Second

// lookPath finds the command before anybody waits for it. Its directory is this process's own, and stays.
func lookPath(file string) (string, error) {
	path, err := exec.LookPath(file)
	switch {
	case err == nil, errors.Is(err, exec.ErrDot):
		path, err = filepath.Abs(path)
		return path, runFailure(exitRunFailed, err)
	case errors.Is(err, fs.ErrPermission):
		return "", runFailure(exitNotExecutable, fmt.Errorf("%s: can't be executed: %w", file, fs.ErrPermission))
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, exec.ErrNotFound):
		return "", runFailure(exitNotFound, fmt.Errorf("%s: command not found", file))
	}
	return "", runFailure(exitNotExecutable, fmt.Errorf("%s: %w", file, err))
}

// A job is the command as a runner, and what becomes of it.
type job struct {
	o      runOptions
	path   string
	args   []string
	node   string
	owner  *shim.Owner
	rt     *singleton.Runtime
	log    *slog.Logger
	stderr io.Writer
	end    context.CancelCauseFunc // of the runtime

	mu      sync.Mutex
	started bool // a command was started, or was about to be
	result  error
	ended   bool // there is a result
}

var (
	errHeld    = errors.New("another process leads")
	errThrough = errors.New("the command is through")
)

// live runs the runtime until the command is through, or this process is told to stop.
func (j *job) live(ctx context.Context) error {
	ctx, j.end = context.WithCancelCause(ctx)
	defer j.end(nil)
	var others sync.WaitGroup
	defer others.Wait()
	defer j.end(nil)
	others.Go(func() { j.forward(ctx) })
	others.Go(func() { j.wait(ctx) })
	err := j.rt.Run(ctx, singleton.Worker(j.o.name, j))
	j.mu.Lock()
	defer j.mu.Unlock()
	if by, ok := errors.AsType[*interruption](context.Cause(ctx)); ok && !j.ended {
		return by
	}
	if j.ended {
		if err != nil {
			j.log.Warn("not resigned in order: others wait until the session is over", "err", err)
		}
		return j.result
	}
	return runFailure(exitRunFailed, bare(err))
}

// bare takes the name of the library from an error, which is that of this program.
func bare(err error) error { return cmp.Or(errors.Unwrap(err), err) }

// say tells people what happens, in one line.
func (j *job) say(format string, args ...any) {
	if !j.o.quiet {
		_, _ = fmt.Fprintf(j.stderr, "singleton: %s: %s\n", j.o.name, fmt.Sprintf(format, args...))
	}
}

// through notes how it ended, unless that is known already, and ends the runtime.
func (j *job) through(result error) {
	j.mu.Lock()
	if !j.ended {
		j.ended, j.result = true, result
	}
	j.mu.Unlock()
	j.end(errThrough)
}

// Run implements [singleton.Runner]: it runs the command once, for as long as this process leads.
func (j *job) Run(ctx context.Context) error {
	if !j.begin() {
		return errHeld
	}
	term, _ := singleton.TermFrom(ctx)
	d := j.rt.Discovery()
	j.say("leads as %s, token %d", j.node, term.Token())
	t := d.Timing()
	defer context.AfterFunc(ctx, func() { j.say("stops the command: %v", context.Cause(ctx)) })()
	out, err := j.owner.Run(ctx, shim.Command{
		Path: j.path, Args: j.args, Grace: j.o.grace, Drain: t.Drain,
		Env: []string{
			"SINGLETON_NAME=" + j.o.name, "SINGLETON_TOKEN=" + strconv.FormatUint(term.Token(), 10), "SINGLETON_NODE=" + j.node,
		},
		Trust:     func() time.Duration { trust, _ := d.Trust(); return trust },
		Heartbeat: t.TTL / 20,
		Lost:      term.Lost(),
	})
	if err != nil {
		return err
	}
	return j.judge(ctx, out)
}

// ownNode is this process as others see it.
func ownNode(name string) string {
	host, _ := os.Hostname()
	return discovery.Node{Name: cmp.Or(name, host, "unknown"), PID: os.Getpid()}.String()
}

// begin says whether a command may start: with --once it is decided already if another leader was seen.
func (j *job) begin() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ended {
		return false
	}
	j.started = true
	return true
}

// judge finds out what the end of the command means.
func (j *job) judge(ctx context.Context, out shim.Outcome) error {
	cause := context.Cause(ctx)
	switch {
	case out.ByItself && !j.o.restart: // what came while its leftovers were ended changes nothing
		j.through(outcomeCode(out))
		return nil
	case errors.Is(cause, singleton.ErrLost), errors.Is(cause, election.ErrAsked):
		return j.again(cause)
	case out.Untrusted:
		j.say("%v", errUntrusted)
		return j.again(errUntrusted)
	case out.Refused != nil:
		j.through(refusal(j.args[0], out.Refused))
		return out.Refused
	}
	ended := fmt.Errorf("command ended: %s", describe(out))
	if j.o.restart && cause == nil {
		j.say("%v; it starts again after a rest", ended)
		return ended
	}
	j.through(outcomeCode(out))
	return nil
}

var errUntrusted = errors.New("this process was stopped for too long: the shim has stopped the command")

// again waits for the next term, or with --once gives up.
func (j *job) again(why error) error {
	if j.o.once {
		j.through(runFailure(exitHeld, why))
		return why
	}
	j.say("queues again")
	return why
}

func refusal(command string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return runFailure(exitNotFound, fmt.Errorf("%s: %w", command, err))
	}
	return runFailure(exitNotExecutable, fmt.Errorf("%s: %w", command, err))
}

// outcomeCode is what shells make of it.
func outcomeCode(out shim.Outcome) error {
	switch {
	case !out.Started:
		return &exitError{code: exitSignal + int(syscall.SIGKILL), err: errors.New("the shim was killed, and the command with it")}
	case out.Status.Signal() >= 0:
		return &exitError{code: exitSignal + int(out.Status.Signal())}
	case out.Status.ExitStatus() == 0:
		return nil
	}
	return &exitError{code: out.Status.ExitStatus()}
}

func describe(out shim.Outcome) string {
	switch {
	case !out.Started:
		return "killed, with its shim"
	case out.Status.Signal() >= 0:
		return out.Status.Signal().String()
	}
	return fmt.Sprintf("exit code %d", out.Status.ExitStatus())
}

// forward passes signals on to the command. Where there is none, those that would end a program end this one.
func (j *job) forward(ctx context.Context) {
	passed := make(chan os.Signal, 16)
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH} {
		if !signal.Ignored(s) { // as HUP is under nohup
			signal.Notify(passed, s)
		}
	}
	defer signal.Stop(passed)
	for {
		select {
		case s := <-passed:
			n := s.(syscall.Signal)
			if !j.owner.Signal(n) && (n == syscall.SIGHUP || n == syscall.SIGQUIT) {
				j.end(&interruption{n})
			}
		case <-ctx.Done():
			return
		}
	}
}

// wait says who leads while this process waits, and with --once gives up.
func (j *job) wait(ctx context.Context) {
	var patience <-chan time.Time
	if j.o.once {
		patience = time.After(j.o.ttl)
	}
	select {
	case <-j.owner.Opened():
	case <-patience:
		j.giveUp(runFailure(exitRunFailed, fmt.Errorf("%w from the store; 'singleton env' tells more", &silenceError{j.o.ttl})))
		return
	case <-ctx.Done():
		return
	}
	d := j.rt.Discovery()
	for leader, err := range d.Election("worker/" + j.o.name).Observe(ctx) {
		if errors.Is(err, engine.ErrRewound) {
			j.through(runFailure(exitRunFailed, fmt.Errorf("%w; start again if that is meant to be", err)))
		}
		if err != nil {
			return
		}
		if leader.Token == 0 || j.owner.Owns(leader.Session) {
			continue
		}
		who := j.who(ctx, d, leader)
		if j.o.once && j.giveUp(runFailure(exitHeld, fmt.Errorf("%s leads, token %d", who, leader.Token))) {
			return
		}
		j.say("waits: %s leads, token %d", who, leader.Token)
	}
}

// giveUp ends this process unless its command has been started.
func (j *job) giveUp(result error) bool {
	j.mu.Lock()
	started := j.started
	if !started && !j.ended {
		j.ended, j.result = true, result
	}
	j.mu.Unlock()
	if started {
		return false
	}
	j.end(errHeld)
	return true
}

// who names a leader.
func (j *job) who(ctx context.Context, d *discovery.Discovery, leader election.Leader) string {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	if c, err := d.Cluster(ctx); err == nil {
		if e, ok := c.Election("worker/" + j.o.name); ok && e.Leader.Token == leader.Token {
			return person(c, e.Leader)
		}
	}
	return "session " + leader.Session
}
