package fileengine_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"
)

func BenchmarkCreate(b *testing.B) {
	s := open(b, connect(b, inMemory(b)))
	for i := 0; b.Loop(); i++ {
		create(b, s, fmt.Sprintf("bench/%d", i))
	}
}

func BenchmarkHandOver(b *testing.B) {
	dir := inMemory(b)
	e := connect(b, dir)
	m := mirrorOf(b, e, "")
	s := open(b, connect(b, dir))
	for b.Loop() {
		r := create(b, s, "q/1")
		m.shows(b, "q/1")
		if err := s.Delete(b.Context(), r); err != nil {
			b.Fatal(err)
		}
		m.shows(b)
	}
}

// BenchmarkDeath measures from the SIGKILL of a process to the sight of its records' removal.
func BenchmarkDeath(b *testing.B) {
	dir := inMemory(b)
	m := mirrorOf(b, connect(b, dir), "")
	timeDeaths(b, func() *process {
		p := start(b, "hold", dir, "q/1")
		p.says(b, "ready")
		m.shows(b, "q/1")
		return p
	}, func() { m.shows(b) })
}

// BenchmarkDeathBare is the floor of that: from the SIGKILL to the end of a FIFO that the process had open.
func BenchmarkDeathBare(b *testing.B) {
	path := inMemory(b) + "/fifo"
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		b.Fatal(err)
	}
	var fifo *os.File
	timeDeaths(b, func() *process {
		p := start(b, "bare", path)
		p.says(b, "ready")
		var err error
		if fifo, err = os.Open(path); err != nil {
			b.Fatal(err)
		}
		return p
	}, func() {
		if _, err := io.ReadAll(fifo); err != nil {
			b.Error(err)
		}
		fifo.Close() //nolint:errcheck // nothing was written
	})
}

// timeDeaths kills process after process.
func timeDeaths(b *testing.B, begin func() *process, noticed func()) {
	b.Helper()
	var times []time.Duration
	for b.Loop() {
		p := begin()
		killed := time.Now()
		p.signal(syscall.SIGKILL)
		noticed()
		times = append(times, time.Since(killed))
		p.kill()
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds()), "µs/median")
	b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), "µs/p99")
	b.ReportMetric(0, "ns/op") // it would be the start of the processes
}

// bare holds a FIFO open.
func bare(ctx context.Context, path string, _ []string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	fmt.Println("ready")
	select {
	case <-ctx.Done():
	case <-time.After(time.Hour):
	}
	return nil
}
