package filefence_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/singleton-go/singleton/fence"
	"github.com/singleton-go/singleton/fence/filefence"
)

// Two terms append to one ledger. The older one was paused, and goes on after the newer one has written.
func ExampleAppend() {
	dir, err := os.MkdirTemp("", "ledger")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx, path := context.Background(), filepath.Join(dir, "ledger.csv")
	old, successor := fence.NewTerm("worker/billing", 7), fence.NewTerm("worker/billing", 9)

	fmt.Println(filefence.Append(ctx, path, old, []byte("invoice 1\n")))
	fmt.Println(filefence.Append(ctx, path, successor, []byte("invoice 2\n")))
	err = filefence.Append(ctx, path, old, []byte("invoice 2, again\n"))
	if stale, ok := errors.AsType[*fence.StaleError](err); ok {
		fmt.Printf("refused: token %d after %d\n", stale.Token, stale.Newest)
	}
	text, _ := os.ReadFile(path)
	fmt.Print(string(text))
	// Output:
	// <nil>
	// <nil>
	// refused: token 7 after 9
	// invoice 1
	// invoice 2
}
