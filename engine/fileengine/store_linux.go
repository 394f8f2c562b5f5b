package fileengine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"sync"

	"github.com/singleton-go/singleton/engine"
)

// A store is what this process knows of the directory. All methods need the turn, but for take itself.
type store struct {
	*directory

	log    folder
	states folder

	turn    chan struct{} // holds a token; its owner may use the files, and change the state under mu
	rewound error         // the final verdict on the directory
	newest  uint64        // snapshot that was seen
	known   uint64        // number that the log has reached, at least
	safe    uint64        // numbers up to this one may be given out
	grown   int           // bytes that were read or written since the newest snapshot

	mu    sync.Mutex // guards what watches read without the turn
	state state
	hub   *hub // nil while nobody watches
}

func newStore(path string) (*store, error) {
	d, err := openDirectory(path)
	if err != nil {
		return nil, err
	}
	s := &store{directory: d, turn: make(chan struct{}, 1)}
	if s.log, err = d.root.sub("log"); err != nil {
		return nil, err
	}
	if s.states, err = d.root.sub("state"); err != nil {
		return nil, err
	}
	s.release()
	if err := s.restart(); err != nil {
		return nil, err
	}
	return s, s.readOn()
}

// take waits for the turn. It returns the verdict on the directory, if there is one.
func (s *store) take(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-s.turn:
	case <-ctx.Done():
		return ctx.Err()
	}
	err := s.rewound
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		s.release()
	}
	return err
}

func (s *store) release() { s.turn <- struct{}{} }

// judge keeps a verdict on the directory: it is final.
func (s *store) judge(err error) error {
	if errors.Is(err, engine.ErrRewound) {
		s.rewound = err
	}
	return err
}

// reason returns why something failed: where names are missing, that is most likely the directory itself.
func (s *store) reason(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return errors.Join(s.judge(s.verify()), err)
	}
	return err
}

// look reads on to the end of the log, and makes sure that it is the log of the directory.
func (s *store) look(ctx context.Context) error {
	if err := s.take(ctx); err != nil {
		return err
	}
	defer s.release()
	if err := s.verify(); err != nil {
		return s.judge(err)
	}
	return s.readOn()
}

// prove is a look that also makes sure that what this process has seen is still there.
func (s *store) prove(ctx context.Context) error {
	if err := s.look(ctx); err != nil {
		return err
	}
	if err := s.take(ctx); err != nil {
		return err
	}
	defer s.release()
	there, err := s.root.exists(logName(s.state.at))
	if there || err != nil {
		return err
	}
	if _, err := s.floor(); err != nil || s.state.at <= s.newest {
		return err
	}
	return s.judge(fmt.Errorf("%s/%s was removed: %w", s.root.path, logName(s.state.at), engine.ErrRewound))
}

func logName(n uint64) string      { return "log/" + strconv.FormatUint(n, 10) }
func stateName(n uint64) string    { return "state/" + strconv.FormatUint(n, 10) }
func sessionName(id string) string { return "session/" + id }
func endName(id string) string     { return "session/" + id + ".end" }
func draftName() string            { return "draft/" + newName() }
func newName() string              { return strings.ToLower(rand.Text()) }
