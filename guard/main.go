package guard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/guard/tether"
)

// Main comes first in main. In the process that the program was started as it returns at once, and the process may have a
// guard from then on. In a guard process it never returns. In a process that is PID 1 it never returns either: it guards
// the program, which it runs as its child.
//
// A guard opens its engine by open, at once and again until it succeeds, with a context that ends with the guard. [os.Args] are
// then those of the program, so open may parse them; nothing else in main has happened. All runtimes of a process that have a
// guard must use the store that open opens.
func Main(open func(ctx context.Context) (engine.Engine, error)) {
	end, err := tether.Inherited(helper)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:forbidigo // this process is a guard, and its program is not to run
	}
	if end != nil {
		serve(end, open)
		os.Exit(0) //nolint:forbidigo // this process was a guard, and its program is not to run
	}
	ownInit(open)
	called.Store(open != nil)
}

// serve is the life of a guard process.
func serve(end *tether.End, open func(ctx context.Context) (engine.Engine, error)) {
	signal.Ignore(ignored()...)
	slim()
	_ = end.Send(answer{Ready: true}) // the end of the process is noticed below
	w := NewWard(open)
	go w.Connect(context.Background(), problems(end)) // until this process ends
	if err := attend(end, w); err != nil {            // the process may be there: it starts another guard
		fmt.Fprintln(os.Stderr, err)
		return
	}
	_ = w.End(context.Background()) // nobody is left to hear of an error
}

// attend heeds what a process tells of its sessions. It returns nil when the process is gone.
func attend(end *tether.End, w *Ward) error {
	for {
		var m Message
		err := end.Receive(&m)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		w.Heed(m)
	}
}

// problems tells the process of the first of several failures in a row, and when they are over.
func problems(end *tether.End) func(error) {
	failing := false
	return func(err error) {
		if failing == (err != nil) {
			return
		}
		failing = !failing
		a := answer{Recovered: !failing}
		if failing {
			a.Problem = err.Error()
		}
		_ = end.Send(a) // the end of the process is noticed elsewhere
	}
}

// slim keeps the guard small: it does next to nothing, so it needs neither parallelism nor room for garbage.
func slim() {
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(20)
	debug.SetMemoryLimit(16 << 20)
}
