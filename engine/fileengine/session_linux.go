package fileengine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/singleton-go/singleton/engine"
)

const (
	maxKey   = 1024
	maxValue = 1 << 20
)

// A Sharer is a session whose life a child process can share. Those of this engine are.
type Sharer interface {
	// Share returns a file that keeps the session alive in whatever process has it open, also after the death of the
	// process that opened the session. It is meant for [os/exec.Cmd.ExtraFiles]; the caller closes it. Closing or ending
	// the session works as before.
	Share() (*os.File, error)
}

var _ Sharer = (*session)(nil)

// A session holds its FIFO open and locked, by a plain descriptor: the end of the value in memory is no end of the session.
type session struct {
	store *store
	id    string
	ttl   time.Duration

	mu   sync.Mutex
	lock int // -1 once it was given up
}

// openSession makes the files of a new session. It is one once the log says so.
func openSession(st *store, ttl time.Duration) (*session, error) {
	for {
		s := &session{store: st, id: newName(), ttl: ttl, lock: -1}
		err := s.hold()
		if err == nil {
			return s, nil
		}
		st.forget(s.id)
		s.letGo()
		if !errors.Is(err, errNotHeld) {
			return nil, err
		}
	}
}

// errNotHeld says that a session has no lock that others can see: its file was tidied up before it was locked, or by hand.
var errNotHeld = errors.New("session file is not locked or was removed")

// hold makes the FIFO and locks it, and prepares the entry that ends the session. Whoever tidies up removes a FIFO that is
// not locked.
func (s *session) hold() error {
	root := s.store.root
	if err := root.mkfifo(sessionName(s.id)); err != nil {
		return err
	}
	fd, err := root.openFD(sessionName(s.id), unix.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return errNotHeld
	}
	if err != nil {
		return err
	}
	s.lock = fd
	if err := s.holds(); err != nil {
		return err
	}
	return s.store.prepareEnd(s.id)
}

// holds returns nil if the lock is ours and others can see it.
func (s *session) holds() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lock < 0 {
		return errNotHeld
	}
	_, err := retry(func() (int, error) { return 0, unix.Flock(s.lock, unix.LOCK_EX|unix.LOCK_NB) })
	if errors.Is(err, unix.EWOULDBLOCK) {
		return errNotHeld
	}
	if err != nil {
		return fmt.Errorf("lock session file: %w", err)
	}
	var stat unix.Stat_t
	if err := unix.Fstat(s.lock, &stat); err != nil {
		return fmt.Errorf("stat session file: %w", err)
	}
	if stat.Nlink == 0 {
		return errNotHeld
	}
	return nil
}

func (s *session) letGo() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lock >= 0 {
		_ = unix.Close(s.lock)
	}
	s.lock = -1
}

func (s *session) ID() string { return s.id }

func (s *session) TTL() time.Duration { return s.ttl }

// Share implements [Sharer].
func (s *session) Share() (*os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lock < 0 {
		return nil, fmt.Errorf("share session %s: %w", s.id, engine.ErrLost)
	}
	fd, err := unix.FcntlInt(uintptr(s.lock), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("share session %s: %w", s.id, err)
	}
	return os.NewFile(uintptr(fd), s.store.root.path+"/"+sessionName(s.id)), nil
}

// Renew proves that the directory is the one that was opened, that the log has no end of the session, and that its lock is
// held.
func (s *session) Renew(ctx context.Context) error {
	return wrap("renew session", s.id, s.renew(ctx))
}

func (s *session) renew(ctx context.Context) error {
	if err := s.store.prove(ctx); err != nil {
		return err
	}
	_, err := s.store.change(ctx, func(st *state) (*entry, error) {
		if st.sessions[s.id] == nil {
			return nil, engine.ErrLost
		}
		return nil, s.holds()
	})
	if errors.Is(err, errNotHeld) { // others may end it at any moment: better now
		err = errors.Join(s.store.end(ctx, s.id), engine.ErrLost)
	}
	if errors.Is(err, engine.ErrLost) {
		s.letGo()
	}
	return err
}

func (s *session) Create(ctx context.Context, key string, value []byte) (engine.Record, error) {
	if err := errors.Join(checkKey(key), checkValue(value)); err != nil {
		return engine.Record{}, wrap("create", key, err)
	}
	e := &entry{Op: opCreate, Session: s.id, Key: key, Value: bytes.Clone(value)}
	var r engine.Record
	for {
		n, err := s.store.change(ctx, func(st *state) (*entry, error) {
			var there bool
			if st.sessions[s.id] == nil {
				return nil, engine.ErrLost
			}
			if r, there = st.records[key]; there {
				return nil, engine.ErrExists
			}
			return e, nil
		})
		if err == nil {
			return engine.Record{Key: key, Value: e.Value, Session: s.id, Created: n}, nil
		}
		if !errors.Is(err, engine.ErrExists) || !s.store.free(r.Session) {
			return r, wrap("create", key, err)
		}
		if err := s.store.end(ctx, r.Session); err != nil {
			return engine.Record{}, wrap("create", key, err)
		}
	}
}

func (s *session) Replace(ctx context.Context, r engine.Record, value []byte) (engine.Record, error) {
	if err := checkValue(value); err != nil {
		return engine.Record{}, wrap("replace", r.Key, err)
	}
	e := &entry{Op: opReplace, Session: s.id, Key: r.Key, Created: r.Created, Value: bytes.Clone(value)}
	var replaced engine.Record
	_, err := s.store.change(ctx, func(st *state) (*entry, error) {
		if st.sessions[s.id] == nil {
			return nil, engine.ErrLost
		}
		replaced = st.records[r.Key]
		if replaced.Created != r.Created {
			return nil, engine.ErrGone
		}
		replaced.Value = e.Value
		return e, nil
	})
	if err != nil {
		return engine.Record{}, wrap("replace", r.Key, err)
	}
	return replaced, nil
}

func (s *session) Delete(ctx context.Context, r engine.Record) error {
	e := &entry{Op: opDelete, Key: r.Key, Created: r.Created}
	_, err := s.store.change(ctx, func(st *state) (*entry, error) {
		if present, there := st.records[r.Key]; !there || present.Created != r.Created {
			return nil, nil
		}
		return e, nil
	})
	return wrap("delete", r.Key, err)
}

// Close ends the session. Where that can't be written down, others see by its lock that it is over.
func (s *session) Close(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return wrap("close session", s.id, err)
	}
	err := s.store.end(ctx, s.id)
	s.letGo()
	return wrap("close session", s.id, err)
}

func endOf(id string) *entry { return &entry{Op: opEnd, Session: id} }

// wrap adds what was tried, and on what.
func wrap(verb, object string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("fileengine: %s %q: %w", verb, object, err)
}

func checkKey(key string) error {
	if len(key) < 1 || len(key) > maxKey {
		return fmt.Errorf("key of %d bytes: must be 1 to %d", len(key), maxKey)
	}
	if !utf8.ValidString(key) {
		return errors.New("key is not UTF-8")
	}
	return nil
}

func checkValue(value []byte) error {
	if len(value) > maxValue {
		return fmt.Errorf("value of %d bytes: must be at most %d", len(value), maxValue)
	}
	return nil
}
