//go:build unix

package demo

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"go.etcd.io/etcd/api/v3/version"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/etcdengine"
	"github.com/singleton-go/singleton/engine/etcdengine/etcdtest"
)

// A processes stage has a real etcd member in this process, and a process for each node.
type processes struct {
	ttl     time.Duration
	sink    string
	janitor *janitor
	member  *etcdtest.Member
	client  *clientv3.Client
	cast    []*process
}

func openProcesses(ttl time.Duration, sink string) (_ stage, err error) {
	s := &processes{ttl: ttl, sink: sink}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.janitor, err = hire(); err != nil {
		return nil, err
	}
	if s.member, err = etcdtest.Start(filepath.Join(s.janitor.dir, "etcd")); err != nil {
		return nil, err
	}
	if s.client, err = s.member.Client(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *processes) setting() setting {
	return setting{
		words: fmt.Sprintf("Three processes, and etcd %s in this one.", version.Version),
		url:   "etcd://" + strings.TrimPrefix(s.member.Endpoint(), "http://") + prefix,
		dir:   s.janitor.dir,
	}
}

func (s *processes) store() engine.Engine { return etcdengine.New(s.client) }

func (s *processes) failed() <-chan struct{} { return s.janitor.gone }

func (s *processes) why() error { return errors.New("janitor: its process has ended") }

func (s *processes) enter(name string) (actor, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	o := NodeOptions{Name: name, Store: s.member.Endpoint(), Sink: s.sink, TTL: s.ttl}
	p := &process{cmd: exec.Command(self, o.args()...), done: make(chan struct{})}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: s.janitor.group}
	p.cmd.Stderr = &p.words
	if p.pipe, err = p.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	s.cast = append(s.cast, p)
	go p.wait()
	return p, nil
}

func (s *processes) close() error {
	for _, p := range s.cast {
		_ = p.kill() // it may have ended
	}
	for _, p := range s.cast {
		<-p.done
	}
	if s.client != nil {
		_ = s.client.Close()
	}
	if s.member != nil {
		s.member.Stop()
	}
	if s.janitor == nil {
		return nil
	}
	return s.janitor.close()
}

// A process is one node.
type process struct {
	cmd   *exec.Cmd
	pipe  io.Closer // its end tells the process that this one is gone
	words tail
	done  chan struct{}
	how   error
}

func (p *process) wait() {
	defer close(p.done)
	if p.how = p.cmd.Wait(); p.how != nil {
		p.how = fmt.Errorf("%w: %s", p.how, p.words.String())
	}
}

func (p *process) kill() error            { return p.cmd.Process.Kill() }
func (p *process) terminate() error       { return p.cmd.Process.Signal(syscall.SIGTERM) }
func (p *process) pause() error           { return p.cmd.Process.Signal(syscall.SIGSTOP) }
func (p *process) resume() error          { return p.cmd.Process.Signal(syscall.SIGCONT) }
func (p *process) ended() <-chan struct{} { return p.done }
func (p *process) err() error             { return p.how }
