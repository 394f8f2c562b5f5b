package shim

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A family is the processes below this one, but for some that are none of its business.
type family struct{ strangers map[int]bool }

// adopt makes this process the one to which orphans among its descendants come.
func adopt() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become a subreaper: %w", err)
	}
	return nil
}

// all returns the descendants of this process, parents before their children, those included that have ended and whose parent
// doesn't know yet.
func (f family) all() ([]int, error) {
	children, err := everybody()
	if err != nil {
		return nil, err
	}
	list := f.own(children[os.Getpid()])
	for i := 0; i < len(list); i++ {
		list = append(list, children[list[i]]...)
	}
	return list, nil
}

// children returns the children of this process.
func (f family) children() ([]int, error) {
	children, err := everybody()
	return f.own(children[os.Getpid()]), err
}

func (f family) own(children []int) []int {
	list := make([]int, 0, len(children))
	for _, pid := range children {
		if !f.strangers[pid] {
			list = append(list, pid)
		}
	}
	return list
}

// everybody returns all processes that can be seen, by their parents.
func everybody() (map[int][]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("look for processes: %w", err)
	}
	children := map[int][]int{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if parent, ok := parentOf(pid); ok {
			children[parent] = append(children[parent], pid)
		}
	}
	return children, nil
}

// parentOf reads the fourth field of a process's stat; the second, a name in parentheses, may hold anything.
func parentOf(pid int) (parent int, ok bool) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, false // it has ended meanwhile
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 2 {
		return 0, false
	}
	parent, err = strconv.Atoi(fields[1])
	return parent, err == nil
}

// send sends signals to all descendants, parents first: a dead parent can't reap a child, whose number might else be
// somebody else's by now. It returns one that may not be sent any, and 0 if there is none.
func (f family) send(signals ...syscall.Signal) (foreign int) {
	list, _ := f.all() // who can't see them tries again
	for _, pid := range list {
		for _, s := range signals {
			if errors.Is(syscall.Kill(pid, s), syscall.EPERM) {
				foreign = pid
			}
		}
	}
	return foreign
}

// sweepRest is how often dying processes are looked for again, if the kernel says nothing.
const sweepRest = 5 * time.Millisecond

// sweep kills all descendants, and returns when none is left. Changed says that a child has ended; it may say so too often.
func (f family) sweep(changed <-chan os.Signal) {
	rest := time.NewTicker(sweepRest)
	defer rest.Stop()
	for f.reap() {
		f.send(syscall.SIGKILL)
		select {
		case <-changed:
		case <-rest.C:
		}
	}
}

// reap buries the children that have ended, and says whether any is left. Whoever is buried may have left children of its
// own, which are children of this process from then on; so it looks until it sees none, or none that has ended.
func (f family) reap() (left bool) {
	for {
		list, err := f.children()
		if len(list) == 0 && err == nil {
			return false
		}
		buried := 0
		for _, pid := range list {
			if wait(pid, nil) {
				buried++
			}
		}
		if buried == 0 {
			return true
		}
	}
}

// wait buries a child if it has ended, and says whether it is gone.
func wait(pid int, status *syscall.WaitStatus) bool {
	for {
		got, err := syscall.Wait4(pid, status, syscall.WNOHANG, nil)
		if !errors.Is(err, syscall.EINTR) {
			return err != nil || got == pid
		}
	}
}
