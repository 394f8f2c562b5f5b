package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func init() { commands["beat"] = beat } //nolint:gochecknoinits // only Linux has it

// beat is the command that tests run: it tells the test all the time that it is alive, and under which token.
func beat(args []string) int {
	var (
		f       = flag.NewFlagSet("beat", flag.ExitOnError)
		socket  = f.String("to", "", "the test's socket")
		role    = f.String("role", "command", "what to call itself")
		deaf    = f.Bool("deaf", false, "ignore TERM")
		trap    = f.Bool("trap", false, "tell of TERM, then exit with 7")
		daemon  = f.Bool("daemon", false, "leave a deaf process behind, in a session of its own and without a parent")
		exit    = f.Int("exit", -1, "exit with this code, after the daemon is there")
		orphan  = f.Bool("orphan", false, "start the daemon and exit")
		every   = 2 * time.Millisecond
		signals = make(chan os.Signal, 1)
	)
	_ = f.Parse(args)
	if *deaf {
		signal.Ignore(syscall.SIGTERM)
	}
	if *trap {
		signal.Notify(signals, syscall.SIGTERM)
	}
	if *orphan {
		return startSelf("-to", *socket, "-role", "daemon", "-deaf")
	}
	if *daemon && startSelf("-to", *socket, "-orphan") != 0 {
		return 1
	}
	conn, err := net.Dial("unixgram", *socket)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	tell := func(what string) {
		_, _ = fmt.Fprintf(conn, "%s %s", os.Getenv("SINGLETON_TOKEN"), what)
	}
	for tell(*role); *exit < 0; tell(*role) {
		select {
		case <-signals:
			tell("term")
			return 7
		case <-time.After(every):
		}
	}
	return *exit
}

// startSelf starts this program again in a session of its own. An orphan-maker is waited for, a daemon is not.
func startSelf(args ...string) int {
	cmd := exec.Command(os.Args[0], append([]string{"beat"}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err := cmd.Start()
	if err == nil && slices.Contains(args, "-orphan") {
		err = cmd.Wait()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// A recorder hears the beats of all commands of a test in one order, and fails the test where anything of an older term is
// heard, or lives, after something of a newer term.
type recorder struct {
	t      *testing.T
	conn   *net.UnixConn
	socket string

	mu      sync.Mutex
	terms   []*term
	changed chan struct{} // closed at the next beat
}

// A term is what was heard under one token.
type term struct {
	token uint64
	beats map[string]int // by role
	pids  map[int]string // roles by process
}

var sockets atomic.Int64

func record(t *testing.T) *recorder {
	t.Helper()
	r := &recorder{t: t, changed: make(chan struct{})}
	r.socket = fmt.Sprintf("@singleton-test-%d-%d", os.Getpid(), sockets.Add(1))
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: r.socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	r.conn = conn
	if err := sayWhoSends(conn); err != nil {
		t.Fatal(err)
	}
	var listening sync.WaitGroup
	listening.Go(r.listen)
	t.Cleanup(func() {
		_ = conn.Close()
		listening.Wait()
	})
	return r
}

// sayWhoSends makes the kernel name the sender, by the number that it has in the receiver's PID namespace.
func sayWhoSends(conn *net.UnixConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	failed := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSCRED, 1) })
	return errors.Join(failed, err)
}

func (r *recorder) listen() {
	text, oob := make([]byte, 256), make([]byte, unix.CmsgSpace(unix.SizeofUcred))
	for {
		n, more, _, _, err := r.conn.ReadMsgUnix(text, oob)
		if err != nil {
			return
		}
		pid, err := sender(oob[:more])
		if err != nil {
			r.t.Error(err)
			return
		}
		words := bytes.Fields(text[:n])
		token, _ := strconv.ParseUint(string(words[0]), 10, 64)
		r.hear(token, pid, string(words[1]))
	}
}

func sender(oob []byte) (pid int, err error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return 0, err
	}
	if len(messages) != 1 {
		return 0, fmt.Errorf("%d control messages, want 1", len(messages))
	}
	from, err := unix.ParseUnixCredentials(&messages[0])
	if err != nil {
		return 0, err
	}
	return int(from.Pid), nil
}

func (r *recorder) hear(token uint64, pid int, role string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.terms, func(t *term) bool { return t.token == token })
	if i < 0 {
		for _, old := range r.terms {
			r.mustBeDead(old, token)
		}
		i = len(r.terms)
		r.terms = append(r.terms, &term{token: token, beats: map[string]int{}, pids: map[int]string{}})
	}
	if last := r.terms[len(r.terms)-1]; token < last.token {
		r.t.Errorf("the %s of token %d was heard after one of token %d", role, token, last.token)
	}
	r.terms[i].beats[role]++
	r.terms[i].pids[pid] = role
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *recorder) mustBeDead(old *term, token uint64) {
	for pid, role := range old.pids {
		if alive(pid) {
			r.t.Errorf("the %s of token %d (process %d) lives when the command of token %d has started", role, old.token, pid, token)
		}
	}
}

// alive says whether a process can still do anything.
func alive(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	state := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))[0]
	return state != "Z" && state != "X"
}

// limit is for what should take far less.
const limit = 40 * time.Second

// awaitTerm waits until enough was heard under some token above this one, and returns a copy of that term.
func (r *recorder) awaitTerm(above uint64, enough func(term) bool) term {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), limit)
	defer cancel()
	for {
		r.mu.Lock()
		changed := r.changed
		for _, t := range r.terms {
			if t.token > above && enough(*t) {
				found := term{token: t.token, beats: maps.Clone(t.beats), pids: maps.Clone(t.pids)}
				r.mu.Unlock()
				return found
			}
		}
		heard := len(r.terms)
		r.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			r.t.Fatalf("nothing of the kind above token %d within %v; %d terms so far", above, limit, heard)
		}
	}
}

// awaitMore waits until a role of a term was heard n times more.
func (r *recorder) awaitMore(token uint64, role string, n int) {
	r.t.Helper()
	n += r.awaitTerm(token-1, of(role)).beats[role]
	r.awaitTerm(token-1, func(t term) bool { return t.beats[role] >= n })
}

// awaitDeath waits until processes can do nothing any more.
func (r *recorder) awaitDeath(pids ...int) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), limit)
	defer cancel()
	for _, pid := range pids {
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			continue // it is gone
		}
		f := os.NewFile(uintptr(fd), "pidfd")
		for alive(pid) && ctx.Err() == nil {
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLIN}}, 100)
		}
		_ = f.Close()
		if ctx.Err() != nil {
			r.t.Fatalf("process %d lives after %v", pid, limit)
		}
	}
}

// count returns how many terms were heard of.
func (r *recorder) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.terms)
}

// of returns a condition: these roles were heard.
func of(roles ...string) func(term) bool {
	return func(t term) bool {
		return !slices.ContainsFunc(roles, func(role string) bool { return t.beats[role] == 0 })
	}
}

// pid returns the process of a role.
func (t term) pid(role string) int {
	for pid, is := range t.pids {
		if is == role {
			return pid
		}
	}
	return 0
}
