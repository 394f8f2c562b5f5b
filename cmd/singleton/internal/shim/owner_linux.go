package shim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/singleton-go/singleton/guard/tether"
)

// An Owner is this process as the owner of a shim: the present one, or the next when that dies. It is safe for concurrent use.
type Owner struct {
	store  Store
	log    *slog.Logger
	family family
	died   chan os.Signal // a child has ended, at least one
	quit   context.CancelFunc
	done   chan struct{} // closed when there is no shim any more

	mu       sync.Mutex
	sessions map[string]*session
	first    chan struct{} // closed when a session was opened
	helper   *helper       // nil while there is none
	jobs     int
	run      *run // nil while nothing runs
	stopped  bool
}

// A helper is one shim process.
type helper struct {
	*tether.Helper

	locks *net.UnixConn
	ready chan struct{} // closed when the shim is there
}

const (
	readyLimit = 5 * time.Second // for the first shim to be there

	firstRest = 100 * time.Millisecond // before a dead shim is replaced; it doubles
	lastRest  = 10 * time.Second
	longLife  = time.Minute // of a shim, after which the next one's rest is the first again
)

// New starts a shim for this process, and keeps one there until [Owner.Stop]. The shim opens the store by itself, to end this
// process's sessions there.
//
// This process adopts all orphans among its descendants from now on, and kills them when a shim dies.
func New(store Store, log *slog.Logger) (*Owner, error) {
	o := &Owner{
		store: store, log: log, died: make(chan os.Signal, 1), done: make(chan struct{}),
		sessions: map[string]*session{}, first: make(chan struct{}),
	}
	if err := o.begin(); err != nil {
		return nil, fmt.Errorf("shim: %w", err)
	}
	return o, nil
}

func (o *Owner) begin() error {
	before, err := o.family.children()
	if err != nil {
		return err
	}
	o.family.strangers = map[int]bool{}
	for _, pid := range before { // of the program that became this one by exec
		o.family.strangers[pid] = true
	}
	if err := adopt(); err != nil {
		return err
	}
	signal.Notify(o.died, syscall.SIGCHLD)
	h, err := o.start()
	if err != nil {
		return err
	}
	var life context.Context
	life, o.quit = context.WithCancel(context.Background())
	go o.keep(life, h) // Stop waits for it
	select {
	case <-h.ready:
		return nil
	case <-o.done:
		return errors.New("it ended at once")
	case <-time.After(readyLimit):
		return errors.Join(fmt.Errorf("not there after %v", readyLimit), o.Stop())
	}
}

// start starts a shim, and tells it what it must know.
func (o *Owner) start() (*helper, error) {
	cmd, err := tether.Command(name)
	if err != nil {
		return nil, err
	}
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr // the command's
	cmd.ExtraFiles = append(cmd.ExtraFiles, theirs)
	cmd.SysProcAttr.Pdeathsig = syscall.SIGCONT // a stopped shim is to go on when this process is gone
	t, err := tether.Start(cmd)
	if err != nil {
		return nil, errors.Join(err, ours.Close())
	}
	h := &helper{Helper: t, locks: ours, ready: make(chan struct{})}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.helper = h
	o.tell(order{Store: pack(o.store)})
	for id := range o.sessions {
		o.introduce(id)
	}
	if o.stopped && len(o.sessions) == 0 { // Stop came meanwhile, and waits for its end
		if err := h.Close(); err != nil {
			o.log.Warn("shim could not be told to end", "err", err)
			h.Kill()
		}
	}
	return h, nil
}

// keep replaces shims that die, until there is to be none.
func (o *Owner) keep(life context.Context, h *helper) {
	defer close(o.done)
	rest := firstRest
	for {
		born := time.Now()
		o.listen(h)
		err := h.Wait()
		o.bereave(h)
		if life.Err() != nil {
			return
		}
		if time.Since(born) > longLife {
			rest = firstRest
		}
		for h = nil; h == nil; rest = min(2*rest, lastRest) {
			o.log.Warn("shim ended: it is replaced", "after", rest, "err", err)
			select {
			case <-time.After(rest):
			case <-life.Done():
				return
			}
			h, err = o.start()
		}
	}
}

// listen hears a shim until it is gone.
func (o *Owner) listen(h *helper) {
	ready := sync.OnceFunc(func() { close(h.ready) })
	for {
		var r report
		switch err := h.Receive(&r); {
		case err != nil:
			return
		case r.Ready:
			ready()
		case r.Problem != "":
			o.log.Warn("shim could not end sessions now", "err", r.Problem)
		default:
			o.hear(r)
		}
	}
}

// bereave ends what a dead shim has left behind, and says so.
func (o *Owner) bereave(h *helper) {
	o.mu.Lock()
	o.helper = nil
	o.mu.Unlock()
	_ = h.locks.Close() // nobody is at its other end
	o.family.sweep(o.died)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.run != nil {
		o.run.heard(report{Work: o.run.Work, Gone: true}, true)
	}
}

// buryStrangers reaps what has ended, but for the shim, whose end somebody waits for. Only PID 1 has such children: orphans of
// what others have started in its container.
func (o *Owner) buryStrangers() {
	if os.Getpid() != 1 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	list, _ := o.family.children() // it is tried again
	for _, pid := range list {
		if o.helper != nil && pid != o.helper.PID() {
			wait(pid, nil)
		}
	}
}

func (o *Owner) hear(r report) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if r.Foreign != 0 {
		o.log.Error("a process may not be killed, and is waited for", "err", fmt.Sprintf("process %d", r.Foreign))
	}
	if o.run != nil && o.run.Work == r.Work {
		o.run.heard(r, false)
	}
}

// tell needs mu. A shim that can't be told is dead, or will be: its successor is told.
func (o *Owner) tell(message order) {
	if o.helper == nil {
		return
	}
	if err := o.helper.Send(message); err != nil {
		o.helper.Kill()
	}
}

// Stop ends the shim. But while sessions are open, it is left alone: it ends them when this process is gone.
func (o *Owner) Stop() error {
	o.mu.Lock()
	o.stopped = true
	o.quit()
	idle := len(o.sessions) == 0
	var err error
	if idle && o.helper != nil {
		err = o.helper.Close()
	}
	o.mu.Unlock()
	if idle {
		<-o.done
	}
	return err
}
