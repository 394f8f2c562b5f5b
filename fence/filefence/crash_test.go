//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package filefence_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/singleton-go/singleton/fence"
	"github.com/singleton-go/singleton/fence/filefence"
)

// holdLock plays another process that is inside a call.
func holdLock(t *testing.T, path string) (unlock func()) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	return func() { _ = f.Close() }
}

// TestMain lets this program be one of the processes that write to one file.
func TestMain(m *testing.M) {
	if path := os.Getenv("FILEFENCE_TEST_WRITE_TO"); path != "" {
		writeUntilKilled(path)
	}
	if path := os.Getenv("FILEFENCE_TEST_APPEND_TO"); path != "" {
		appendMuch(path, os.Getenv("FILEFENCE_TEST_LIMITED") != "")
	}
	os.Exit(m.Run())
}

// writeUntilKilled appends records with tokens that rise with time, and says on standard output which were accepted.
// One record is long enough to be torn.
func writeUntilKilled(path string) {
	for {
		// Some behind the time: a candidate for refusal.
		token := uint64(time.Now().UnixMicro()) - rand.Uint64N(3)*rand.Uint64N(2000)
		record := fmt.Sprintf("%d %s\n", token, strings.Repeat("x", 200_000))
		err := filefence.Append(context.Background(), path, fence.NewTerm(election, token), []byte(record))
		switch {
		case err == nil:
			fmt.Println("accepted", token)
		case errors.Is(err, fence.ErrStale):
			fmt.Println("refused", token)
		default:
			fmt.Println("failed", err)
		}
	}
}

const (
	manyBytes = 64 << 20 // so many take a while to write
	maxBytes  = 1000     // so many the kernel takes of a writer under a limit
)

// appendMuch appends so many bytes that its parent can kill it half way. Under a limit the kernel refuses most of them.
func appendMuch(path string, limited bool) {
	if limited {
		signal.Ignore(syscall.SIGXFSZ)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: maxBytes, Max: maxBytes}); err != nil {
			fmt.Println(err)
		}
	}
	err := filefence.Append(context.Background(), path, term(9), make([]byte, manyBytes))
	if !errors.Is(err, syscall.EFBIG) {
		fmt.Println(err)
	}
	os.Exit(0)
}

func TestACrashInTheMiddleOfAnAppend(t *testing.T) {
	t.Parallel()
	for range 20 {
		path := filepath.Join(t.TempDir(), "ledger")
		if size := killHalfWay(t, path); size > 4 && size < 4+manyBytes {
			checkTakenBack(t, path)
			return
		}
	}
	t.Error("no append was torn: this tested nothing")
}

// Where a write fails and the process lives on, the append takes its part off by itself.
func TestAFailedAppendLeavesNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger")
	if err := filefence.Append(t.Context(), path, term(7), []byte("one\n")); err != nil {
		t.Fatal(err)
	}
	writer := exec.CommandContext(t.Context(), os.Args[0])
	writer.Env = append(os.Environ(), "FILEFENCE_TEST_APPEND_TO="+path, "FILEFENCE_TEST_LIMITED=yes")
	if out, err := writer.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("%s, %v", out, err)
	}
	if got := read(t, path); got != "one\n" {
		t.Errorf("after the failure: %d bytes", len(got))
	}
	checkTakenBack(t, path)
}

// killHalfWay has a process append to the file, kills it as soon as that is seen, and returns what size it left.
func killHalfWay(t *testing.T, path string) int64 {
	t.Helper()
	if err := filefence.Append(t.Context(), path, term(7), []byte("one\n")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	writer := exec.CommandContext(ctx, os.Args[0])
	writer.Env = append(os.Environ(), "FILEFENCE_TEST_APPEND_TO="+path)
	if err := writer.Start(); err != nil {
		t.Fatal(err)
	}
	for size(t, path) == 4 && ctx.Err() == nil {
		runtime.Gosched()
	}
	_ = writer.Process.Kill()
	_ = writer.Wait() // killed, as it should be
	return size(t, path)
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// checkTakenBack wants the part that token 9 has written gone, and older tokens refused nevertheless.
func checkTakenBack(t *testing.T, path string) {
	t.Helper()
	if err := filefence.Append(t.Context(), path, term(8), []byte("bad\n")); !errors.Is(err, fence.ErrStale) {
		t.Errorf("token 8 after 9 has failed: %v", err)
	}
	if size := size(t, path); size != 4 {
		t.Errorf("%d bytes are left", size)
	}
	if err := filefence.Append(t.Context(), path, term(9), []byte("two\n")); err != nil || read(t, path) != "one\ntwo\n" {
		t.Errorf("token 9 again: %v", err)
	}
}

// Several processes write to one file and are killed at any time, again and again. In the end the file holds whole records with
// tokens that never fall, and among them every record whose append has returned.
func TestAcrossProcessesAndCrashes(t *testing.T) {
	t.Parallel()
	const writers, lives = 3, 5
	path := filepath.Join(t.TempDir(), "ledger")
	var mu sync.Mutex
	accepted, refused := map[uint64]bool{}, 0
	report := func(line string) {
		mu.Lock()
		defer mu.Unlock()
		word, rest, _ := strings.Cut(line, " ")
		token, _ := strconv.ParseUint(rest, 10, 64)
		switch word {
		case "accepted":
			accepted[token] = true
		case "refused":
			refused++
		default:
			t.Errorf("writer: %s", line)
		}
	}
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for range lives {
				liveAndDie(t, path, report)
			}
		})
	}
	all.Wait()
	if err := filefence.Repair(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	written := checkLedger(t, path)
	for token := range accepted {
		if !written[token] {
			t.Errorf("token %d was accepted, and its record is gone", token)
		}
	}
	if len(accepted) < writers || refused == 0 {
		t.Errorf("%d accepted, %d refused: this tested nothing", len(accepted), refused)
	}
	t.Logf("%d accepted, %d refused, %d records", len(accepted), refused, len(written))
}

// liveAndDie runs one writer and kills it a moment after its second report.
func liveAndDie(t *testing.T, path string, report func(line string)) {
	writer := exec.CommandContext(t.Context(), os.Args[0])
	writer.Env = append(os.Environ(), "FILEFENCE_TEST_WRITE_TO="+path)
	out, err := writer.StdoutPipe()
	if err != nil {
		t.Error(err)
		return
	}
	if err := writer.Start(); err != nil {
		t.Error(err)
		return
	}
	lines := bufio.NewScanner(out)
	for n := 1; lines.Scan(); n++ {
		report(lines.Text())
		if n == 2 {
			killer := time.AfterFunc(time.Duration(rand.IntN(10_000))*time.Microsecond, func() { _ = writer.Process.Kill() })
			defer killer.Stop()
		}
	}
	_ = writer.Wait() // killed, as it should be
}

// checkLedger returns the tokens of all records.
func checkLedger(t *testing.T, path string) map[uint64]bool {
	t.Helper()
	written, highest := map[uint64]bool{}, uint64(0)
	for line := range strings.Lines(read(t, path)) {
		head, tail, _ := strings.Cut(line, " ")
		token, err := strconv.ParseUint(head, 10, 64)
		if err != nil || len(tail) != 200_001 {
			t.Fatalf("torn record: %.30q, %d bytes", line, len(line))
		}
		if token < highest {
			t.Errorf("token %d was accepted after %d", token, highest)
		}
		highest, written[token] = token, true
	}
	return written
}

// Goroutines of one process exclude each other as processes do.
func TestGoroutinesExcludeEachOther(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 5 {
				token := 1 + rand.Uint64N(20)
				err := filefence.Append(t.Context(), path, term(token), fmt.Appendf(nil, "%d\n", token))
				if err != nil && !errors.Is(err, fence.ErrStale) {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	highest := 0
	for line := range strings.Lines(read(t, path)) {
		token, err := strconv.Atoi(strings.TrimSuffix(line, "\n"))
		if err != nil || token < highest {
			t.Fatalf("%q after %d", line, highest)
		}
		highest = token
	}
}

func TestWaitingForTheLockEndsWithTheContext(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	if err := filefence.Append(t.Context(), path, term(1), nil); err != nil {
		t.Fatal(err)
	}
	unlock := holdLock(t, path+".fence.lock")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errors.New("no patience"))
	defer cancel()
	if err := filefence.Append(ctx, path, term(2), []byte("x")); err == nil || !strings.Contains(err.Error(), "no patience") {
		t.Errorf("got %v", err)
	}
	if got := read(t, path); got != "" {
		t.Errorf("written without the lock: %q", got)
	}
	unlock()
	if err := filefence.Append(t.Context(), path, term(1), []byte("x")); err != nil {
		t.Errorf("token 1: %v (a term that got no lock leaves no mark)", err)
	}
}
