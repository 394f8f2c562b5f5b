package httpfence_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/singleton-go/singleton/fence"
	"github.com/singleton-go/singleton/fence/httpfence"
)

// A server lets the leader of one election write. A request that an old leader sends after its successor's is refused, and the old
// leader learns why.
func Example() {
	ledger := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		term, _ := fence.TermFrom(r.Context())
		_, _ = fmt.Fprintf(w, "written in term %d", term.Token())
	})
	fenced, err := httpfence.Handler(ledger, httpfence.Options{Resource: "ledger", Elections: []string{"worker/billing"}})
	if err != nil {
		log.Fatal(err)
	}
	server := httptest.NewServer(fenced)
	defer server.Close()

	for _, token := range []uint64{7, 9, 7} {
		term := fence.NewTerm("worker/billing", token)
		client := &http.Client{Transport: &httpfence.Transport{Term: fence.Always(term)}}
		answer, err := client.Post(server.URL, "text/plain", nil)
		if err != nil {
			log.Fatal(err)
		}
		_ = answer.Body.Close()
		fmt.Println(answer.Status, httpfence.Refusal(answer))
	}
	// Output:
	// 200 OK <nil>
	// 200 OK <nil>
	// 412 Precondition Failed stale term: resource "ledger" refuses token 7 of election "worker/billing": it has seen token 9
}
