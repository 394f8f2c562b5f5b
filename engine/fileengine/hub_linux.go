package fileengine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/singleton-go/singleton/engine"
)

// minBacklog is how many changes a watch may be behind, beyond the size of the state, before it is given a reset.
const minBacklog = 1024

// A hub is what the watches of a process share: the notice of changes in the log, and of the deaths of sessions. It lives from
// the first watch to the last.
type hub struct {
	store  *store
	cancel context.CancelFunc
	group  sync.WaitGroup
	events *os.File            // inotify
	alive  map[string]*os.File // FIFOs of the sessions; the store's turn guards it

	watchers map[*watcher]bool // these are guarded by the store's mu
	err      error
}

// enter begins a watch. No session whose process has died by now is in the state that it begins with.
func (s *store) enter(ctx context.Context, prefix string) (*watcher, error) {
	if err := s.take(ctx); err != nil {
		return nil, err
	}
	w := &watcher{prefix: prefix, wake: make(chan struct{}, 1), reset: true}
	err := s.join(w) //nolint:contextcheck // the hub serves all watches, and outlives the first
	s.release()
	if err != nil {
		return nil, err
	}
	if err := w.hub.look(ctx); err != nil {
		s.leave(w)
		return nil, err
	}
	return w, nil
}

// join adds w to the hub, and starts that if there is none. It needs the turn.
func (s *store) join(w *watcher) error {
	s.mu.Lock()
	h := s.hub
	if h != nil && h.err == nil {
		w.hub = h
		h.watchers[w] = true
		s.mu.Unlock()
		return nil
	}
	s.mu.Unlock()
	events, err := s.notices()
	if err != nil {
		return err
	}
	_ = s.reserve(s.state.at + 1) // now, since it may wait for a disk, and not when a session dies
	ctx, cancel := context.WithCancel(context.Background())
	h = &hub{store: s, cancel: cancel, events: events, alive: map[string]*os.File{}, watchers: map[*watcher]bool{w: true}}
	w.hub = h
	s.mu.Lock()
	s.hub = h
	s.mu.Unlock()
	h.group.Go(func() { h.run(ctx) })
	return nil
}

// leave ends a watch, and the hub with the last one.
func (s *store) leave(w *watcher) {
	h := w.hub
	s.mu.Lock()
	delete(h.watchers, w)
	last := len(h.watchers) == 0
	if last && s.hub == h {
		s.hub = nil
	}
	s.mu.Unlock()
	if last {
		h.stop()
	}
}

// notices returns an inotify instance that tells of new names in the log, and of a directory that is moved or removed.
func (s *store) notices() (*os.File, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if errors.Is(err, unix.EMFILE) {
		return nil, fmt.Errorf("inotify: %w (no more open files, or fs.inotify.max_user_instances reached)", err)
	}
	if err != nil {
		return nil, fmt.Errorf("inotify: %w", err)
	}
	events := os.NewFile(uintptr(fd), "inotify")
	for _, watched := range []struct {
		folder folder
		mask   uint32
	}{
		{s.log, unix.IN_CREATE},
		{s.root, unix.IN_MOVE_SELF | unix.IN_DELETE},
		{s.base, unix.IN_MOVE_SELF | unix.IN_DELETE},
	} {
		path := fmt.Sprintf("/proc/self/fd/%d", watched.folder.fd()) // the folder itself, whatever stands at its path now
		if _, err := unix.InotifyAddWatch(fd, path, watched.mask|unix.IN_ONLYDIR); err != nil {
			return nil, errors.Join(fmt.Errorf("inotify: watch %s: %w", watched.folder.path, err), events.Close())
		}
	}
	return events, nil
}

// run looks at the log whenever something has happened. What it was is not asked, so events may get lost.
func (h *hub) run(ctx context.Context) {
	buf := make([]byte, 64<<10)
	for {
		if _, err := h.events.Read(buf); err != nil {
			h.fail(ctx, err)
			return
		}
		if err := h.look(ctx); err != nil {
			h.fail(ctx, err)
			return
		}
	}
}

// look reads on in the log, and then waits for the deaths of the sessions that live.
func (h *hub) look(ctx context.Context) error {
	if err := h.store.look(ctx); err != nil {
		return err
	}
	dead, err := h.attend(ctx)
	if err != nil {
		return err
	}
	for _, id := range dead {
		if err := h.store.end(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// attend opens the FIFOs of new sessions and closes those of sessions that have ended. It returns the sessions that are dead.
func (h *hub) attend(ctx context.Context) (dead []string, err error) {
	s := h.store
	if err := s.take(ctx); err != nil {
		return nil, err
	}
	defer s.release()
	for id, file := range h.alive {
		if s.state.sessions[id] == nil {
			_ = file.Close()
			delete(h.alive, id)
		}
	}
	for id := range s.state.sessions {
		if file := h.alive[id]; file != nil {
			continue
		}
		fd, err := s.root.openFD(sessionName(id), unix.O_RDONLY|unix.O_NONBLOCK, 0)
		if errors.Is(err, fs.ErrNotExist) {
			dead = append(dead, id)
			continue
		}
		if err != nil {
			return nil, err
		}
		file := os.NewFile(uintptr(fd), sessionName(id))
		if isFree(fd) {
			dead = append(dead, id)
			_ = file.Close()
			continue
		}
		h.alive[id] = file
		h.group.Go(func() { h.await(ctx, id, file) })
	}
	return dead, nil
}

// await waits until nobody holds the session any more.
func (h *hub) await(ctx context.Context, id string, file *os.File) {
	for {
		_, err := file.Read(make([]byte, 1))
		if errors.Is(err, io.EOF) {
			if err := h.store.end(ctx, id); err != nil {
				h.fail(ctx, err)
			}
			return
		}
		if err != nil { // closed: the session has ended, or the hub
			return
		}
	}
}

// fail ends all watches of the hub, unless it is being stopped.
func (h *hub) fail(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	h.store.mu.Lock()
	defer h.store.mu.Unlock()
	if h.err == nil {
		h.err = err
	}
	for w := range h.watchers {
		w.signal()
	}
}

// stop waits for all goroutines of the hub.
func (h *hub) stop() {
	h.cancel()
	_ = h.events.Close()
	<-h.store.turn // nobody attends any more
	for _, file := range h.alive {
		_ = file.Close()
	}
	h.store.release()
	h.group.Wait()
}

// publish hands a step to all watches. A watch that is more than limit changes behind begins anew. It needs mu.
func (h *hub) publish(step []engine.Change, limit int) {
	for w := range h.watchers {
		w.add(step, limit)
	}
}

// reset owes all watches the whole state. It needs mu.
func (h *hub) reset() {
	for w := range h.watchers {
		w.pending, w.reset = nil, true
		w.signal()
	}
}
