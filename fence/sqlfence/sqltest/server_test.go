package sqltest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	startTime  = 30 * time.Second      // for a server, at most
	lifeTime   = "300"                 // in seconds, even if this process is killed
	stopTime   = 10 * time.Second      // for a server that was asked to
	retryEvery = 20 * time.Millisecond // is it ready?
)

// A server is a database server that was started for this run of the tests.
type server struct {
	name    string
	pkg     string // the Debian package that has it
	account string // whom to run it as, when we are root

	// setup and run are the commands that make a server in dir and that run it in the foreground.
	setup, run func(dir string) ([]string, error)

	// ready says whether the server in dir takes connections.
	ready func(ctx context.Context, dir string) error

	// stop is the signal that ends it fast.
	stop syscall.Signal

	once  sync.Once
	err   error
	dir   string
	child *exec.Cmd
	out   bytes.Buffer
}

// errMissing says that a server is not installed.
var errMissing = errors.New("not installed")

// need starts the server with the first test that needs it. Where it is not installed the test is skipped, but not in CI.
func (s *server) need(t *testing.T) (dir string) {
	t.Helper()
	s.once.Do(func() { s.err = s.start() })
	if errors.Is(s.err, errMissing) && os.Getenv("CI") != "true" {
		t.Skipf("%v: install the Debian package %s", s.err, s.pkg)
	}
	if s.err != nil {
		t.Fatalf("%v (it is in the Debian package %s)", s.err, s.pkg)
	}
	return s.dir
}

// start makes a folder of its own for the server: those of a test are closed to other accounts.
func (s *server) start() (err error) {
	if s.dir, err = os.MkdirTemp("", "sqltest-"+s.name); err != nil {
		return err
	}
	owner, err := s.owner()
	if err != nil {
		return err
	}
	if owner != nil {
		if err := os.Chown(s.dir, int(owner.Uid), int(owner.Gid)); err != nil {
			return err
		}
	}
	setup, err := s.setup(s.dir)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	if out, err := s.command(ctx, owner, setup).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", setup[0], err, out)
	}
	run, err := s.run(s.dir)
	if err != nil {
		return err
	}
	// timeout(1) hands our signal on, and ends the server if we can't.
	s.child = s.command(context.Background(), owner, append([]string{"timeout", "-k", "5", lifeTime}, run...))
	s.child.Stdout, s.child.Stderr = &s.out, &s.out
	if err := s.child.Start(); err != nil {
		return err
	}
	return s.awaitReady(ctx)
}

func (s *server) awaitReady(ctx context.Context) error {
	again := time.NewTicker(retryEvery)
	defer again.Stop()
	for {
		err := s.ready(ctx, s.dir)
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w: see %s", s.name, err, s.dir)
		}
	}
}

// owner is who runs the server: database servers refuse root.
func (s *server) owner() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // nobody else
	}
	account, err := user.Lookup(s.account)
	if err != nil {
		return nil, fmt.Errorf("%s: account %s: %w", s.name, s.account, errMissing)
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, err
}

func (s *server) command(ctx context.Context, owner *syscall.Credential, argv []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner, Setpgid: true} // Ctrl-C is for us; we end the server
	return cmd
}

// end stops the server, if it was started, and removes its folder.
func (s *server) end() {
	if s.child != nil && s.child.Process != nil {
		_ = s.child.Process.Signal(s.stop)
		kill := time.AfterFunc(stopTime, func() { _ = s.child.Process.Kill() })
		_ = s.child.Wait()
		kill.Stop()
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}

// program finds one in the places given by patterns or in the path.
func program(name string, patterns ...string) (string, error) {
	for _, p := range patterns {
		if found, _ := filepath.Glob(filepath.Join(p, name)); len(found) > 0 {
			return found[len(found)-1], nil
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, errMissing)
	}
	return path, nil
}
