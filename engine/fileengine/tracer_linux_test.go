package fileengine_test

import (
	"errors"
	"os"
	"runtime"
	"syscall"
	"testing"
	"unsafe"
)

// Constants of Linux that package syscall lacks.
const (
	ptraceGetSyscallInfo = 0x420e
	ptraceExitKill       = 0x100000
	waitAll              = 0x40000000 // threads too
	waitOwn              = 0x20000000 // of this thread alone
)

// A syscallInfo is a struct ptrace_syscall_info.
type syscallInfo struct {
	Op   uint8 // 1 before a call
	_    [3]uint8
	_    uint32
	_, _ uint64
	Nr   uint64
	Args [6]uint64
}

// making are the system calls that make the draft of a change, and the change. A draft that is there already goes when the
// log is shortened.
var making = map[uint64]bool{syscall.SYS_OPENAT: true, syscall.SYS_LINKAT: true}

// changing are the system calls by which a process changes a directory, or learns what it decides on. Of openat it is those
// that make a file.
var changing = map[uint64]bool{
	syscall.SYS_OPENAT: true,
	syscall.SYS_WRITE:  true, syscall.SYS_LINKAT: true, syscall.SYS_UNLINKAT: true, syscall.SYS_MKNODAT: true, syscall.SYS_FLOCK: true,
	syscall.SYS_RENAMEAT: true, syscall.SYS_MKDIRAT: true, syscall.SYS_FSYNC: true, syscall.SYS_GETDENTS64: true,
}

// traceBegin is what a traced process asks getpgid for where the calls are to be counted from.
const traceBegin = 0x5116

// A step is the nth of the system calls of some kinds.
type step struct {
	calls map[uint64]bool
	nth   int
}

// A tracer runs a process in a role up to a step, and does something to it there.
type tracer struct {
	role string
	dir  string
	step step
	at   func(pid int) // the process stands still meanwhile
}

// run returns what the process printed, and whether it came to the step. The process runs to its end unless at kills it.
func (tr tracer) run(t *testing.T) (output string, reached bool) {
	t.Helper()
	runtime.LockOSThread() // a thread traces what it has started
	defer runtime.UnlockOSThread()
	out, err := os.Create(t.TempDir() + "/output")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := command(tr.role, tr.dir)
	cmd.Stdout = out
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		t.Skipf("no process can be traced here: %v", err)
	}
	pid := cmd.Process.Pid
	defer cmd.Process.Release() //nolint:errcheck // it was waited for
	reached = tr.follow(t, pid)
	said, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(said), reached
}

// follow lets the process go from system call to system call.
func (tr tracer) follow(t *testing.T, pid int) (reached bool) {
	t.Helper()
	counting, count, begun := false, 0, false
	for {
		var status syscall.WaitStatus
		tid, err := syscall.Wait4(-1, &status, waitAll|waitOwn, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			t.Fatalf("wait for process %d: %v", pid, err)
		}
		if !status.Stopped() {
			if tid == pid {
				return reached
			}
			continue
		}
		deliver := 0
		switch signal := status.StopSignal(); {
		case !begun:
			begun = true
			options := syscall.PTRACE_O_TRACECLONE | syscall.PTRACE_O_TRACESYSGOOD | ptraceExitKill
			if err := syscall.PtraceSetOptions(pid, options); err != nil {
				t.Fatal(err)
			}
		case signal == syscall.SIGTRAP|0x80:
			info := syscallOf(tid)
			counting = counting || info.Nr == syscall.SYS_GETPGID && info.Args[0] == traceBegin
			if counting && info.Op == 1 && info.isOneOf(tr.step.calls) {
				count++
				if count == tr.step.nth {
					reached = true
					tr.at(pid)
				}
			}
		case signal != syscall.SIGTRAP && signal != syscall.SIGSTOP: // those are the tracing's own
			deliver = int(signal)
		}
		_ = syscall.PtraceSyscall(tid, deliver) // it may be dead by now
	}
}

func (i syscallInfo) isOneOf(calls map[uint64]bool) bool {
	return calls[i.Nr] && (i.Nr != syscall.SYS_OPENAT || i.Args[2]&syscall.O_CREAT != 0)
}

func syscallOf(tid int) (info syscallInfo) {
	//nolint:errcheck // a thread that is gone makes no call
	syscall.Syscall6(syscall.SYS_PTRACE, ptraceGetSyscallInfo, uintptr(tid), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	return info
}
