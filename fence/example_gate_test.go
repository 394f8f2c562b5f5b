package fence_test

import (
	"context"
	"fmt"

	"github.com/singleton-go/singleton/fence"
)

// A cache is filled by the leader. An old leader that was paused must not overwrite what its successor has written.
func ExampleGate() {
	var gate fence.Gate
	cache := map[string]string{}
	set := func(term fence.Term, value string) error {
		return gate.Do(context.Background(), "cache", term, func(context.Context) error {
			cache["price"] = value
			return nil
		})
	}

	old, successor := fence.NewTerm("worker/pricing", 7), fence.NewTerm("worker/pricing", 9)
	fmt.Println(set(old, "100"))
	fmt.Println(set(successor, "120"))
	fmt.Println(set(old, "100")) // it woke up
	fmt.Println(cache["price"])
	// Output:
	// <nil>
	// <nil>
	// stale term: resource "cache" refuses token 7 of election "worker/pricing": it has seen token 9
	// 120
}
