package etcdtest_test

import (
	"context"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"

	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/election"
	"github.com/singleton-go/singleton/engine/etcdengine"
	"github.com/singleton-go/singleton/engine/etcdengine/etcdtest"
)

const (
	patience = 30 * time.Second

	// The prefix as the original framework's nodes write it: it stands verbatim, so there are two slashes after "election".
	prefix = "/my-app"
	queue  = "election//my-app/singleton/worker/sync"
)

// open takes part in the cluster by a client of its own.
func open(t *testing.T, m *etcdtest.Member, c discovery.Config) *discovery.Discovery {
	t.Helper()
	c.Prefix = prefix
	d, err := discovery.Open(etcdengine.New(dial(t, m, nil)), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := d.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return d
}

// A guest is a candidate of etcd's own package, with an election lease of its own.
type guest struct{ *concurrency.Election }

func join(t *testing.T, m *etcdtest.Member) guest {
	t.Helper()
	s, err := concurrency.NewSession(dial(t, m, nil))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return guest{concurrency.NewElection(s, queue)}
}

// awaitQueue waits until so many candidates stand in the queue, which only the store tells.
func awaitQueue(t *testing.T, client *clientv3.Client, n int64) {
	t.Helper()
	awaitKeys(t, client, queue+"/", n)
}

func TestOursAndEtcdsOwnCandidatesAlternateInOneElection(t *testing.T) {
	t.Parallel()
	m := start(t)
	client := dial(t, m, nil)
	ours := open(t, m, discovery.Config{Node: "ours"}).Election("worker/sync", election.WithID("ours"))
	theirs := join(t, m)
	var working atomic.Int32
	work := func(who string) {
		if n := working.Add(1); n != 1 {
			t.Errorf("%s works beside %d others", who, n-1)
		}
	}
	rest := func() { working.Add(-1) }

	term, err := ours.Campaign(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	work("ours")
	token := term.Token()
	for n := range 20 {
		won := make(chan error, 1)
		go func() { won <- theirs.Campaign(t.Context(), "theirs") }()
		awaitQueue(t, client, 2)
		rest()
		if err := term.Resign(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-won; err != nil {
			t.Fatal(err)
		}
		work("theirs")
		if now := uint64(theirs.Rev()); now <= token {
			t.Errorf("hand-over %d: token %d after %d", n, now, token)
		}
		token = uint64(theirs.Rev())

		next := make(chan election.Term, 1)
		go func() {
			term, err := ours.Campaign(t.Context())
			if err != nil {
				t.Error(err)
			}
			next <- term
		}()
		awaitQueue(t, client, 2)
		rest()
		if err := theirs.Resign(t.Context()); err != nil {
			t.Fatal(err)
		}
		term = <-next
		work("ours")
		if term.Token() <= token {
			t.Errorf("hand-over %d: token %d after %d", n, term.Token(), token)
		}
		token = term.Token()
	}
	if err := term.Resign(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestFirstComeIsFirstServedAmongOursAndTheirs(t *testing.T) {
	t.Parallel()
	m := start(t)
	client := dial(t, m, nil)
	const n = 6
	holder := join(t, m)
	if err := holder.Campaign(t.Context(), "holder"); err != nil {
		t.Fatal(err)
	}
	order := make(chan string, n)
	for i := range n {
		name := strconv.Itoa(i)
		if i%2 == 0 {
			e := open(t, m, discovery.Config{}).Election("worker/sync", election.WithID(name))
			go func() {
				_ = e.Lead(t.Context(), func(context.Context, election.Term) error {
					order <- name
					return nil
				})
			}()
		} else {
			g := join(t, m)
			go func() {
				if err := g.Campaign(t.Context(), name); err == nil {
					order <- name
					_ = g.Resign(t.Context())
				}
			}()
		}
		awaitQueue(t, client, int64(i+2))
	}
	if err := holder.Resign(t.Context()); err != nil {
		t.Error(err)
	}
	for i := range n {
		if got, want := <-order, strconv.Itoa(i); got != want {
			t.Errorf("%s leads, want %s", got, want)
		}
	}
	awaitQueue(t, client, 0)
}

func TestLeaderAndObserverMeanTheSameOnBothSides(t *testing.T) {
	t.Parallel()
	m := start(t)
	e := open(t, m, discovery.Config{}).Election("worker/sync", election.WithID("0b63cdb5-2f6c-4d10-8d4f-4b6bd0a3b0ab"))
	theirs := join(t, m)
	term, err := e.Campaign(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r, err := theirs.Leader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kv := r.Kvs[0]
	if string(kv.Value) != "0b63cdb5-2f6c-4d10-8d4f-4b6bd0a3b0ab" || uint64(kv.CreateRevision) != term.Token() {
		t.Errorf("they see %s with token %d, want our ID with %d", kv.Value, kv.CreateRevision, term.Token())
	}
	if !strings.HasPrefix(string(kv.Key), queue+"/") || strings.Count(string(kv.Key), "/") != strings.Count(queue, "/")+1 {
		t.Errorf("key %s, want %s/ and the session", kv.Key, queue)
	}
	seen := theirs.Observe(t.Context())
	if r := <-seen; string(r.Kvs[0].Value) != "0b63cdb5-2f6c-4d10-8d4f-4b6bd0a3b0ab" {
		t.Errorf("they observe %s, want our ID", r.Kvs[0].Value)
	}
	won := make(chan error, 1)
	go func() { won <- theirs.Campaign(t.Context(), "theirs") }()
	if err := term.Resign(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-won; err != nil {
		t.Fatal(err)
	}
	for leader, err := range open(t, m, discovery.Config{Observer: true}).Election("worker/sync").Observe(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if leader.Candidate == "theirs" && leader.Token == uint64(theirs.Rev()) {
			break
		}
	}
}

func TestOriginalNodesRecordsAreSeen(t *testing.T) {
	t.Parallel()
	m := start(t)
	client := dial(t, m, nil)
	const node, worker, service, endpoint = "1f0c6a3e-75a8-4b62-9f5c-6f4df35b9c01", "2f0c6a3e-75a8-4b62-9f5c-6f4df35b9c02",
		"3f0c6a3e-75a8-4b62-9f5c-6f4df35b9c03", "4f0c6a3e-75a8-4b62-9f5c-6f4df35b9c04"
	for key, value := range map[string]string{
		"node/" + node: `{"id":"` + node + `","alias":"ts","host":"h","pid":7,"endpoints":[],"state":3,"startTime":1700000000,` +
			`"versions":{"framework":"2.2.0","app":"1.0.0"}}`,
		"service/" + node:  `{"name":"node","id":"` + node + `","nodeId":"` + node + `","state":3,"startTime":1700000000,"labels":[]}`,
		"worker/" + worker: `{"name":"sync","state":1,"id":"` + worker + `","nodeId":"` + node + `","startTime":1700000000}`,
		"service/" + service: `{"name":"ledger","id":"` + service + `","nodeId":"` + node + `","state":3,"startTime":1700000000,` +
			`"labels":{"zone":"b"}}`,
		"endpoint/" + endpoint: `{"id":"` + endpoint + `","protocol":"http","endpoint":"10.0.0.7:80","state":3,"labels":{},` +
			`"codecs":["json"],"targetId":"` + service + `","targetName":"ledger","weight":100,"version":"1.0.0"}`,
	} {
		if _, err := client.Put(t.Context(), prefix+"/"+key, value); err != nil {
			t.Fatal(err)
		}
	}
	g := join(t, m)
	if err := g.Campaign(t.Context(), worker); err != nil {
		t.Fatal(err)
	}
	c, err := open(t, m, discovery.Config{Observer: true}).Cluster(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Nodes) != 1 || c.Nodes[0].Name != "ts" || c.Nodes[0].PID != 7 {
		t.Errorf("nodes %+v", c.Nodes)
	}
	if len(c.Workers) != 1 || c.Workers[0].State != discovery.Init || c.Workers[0].Node != "ts" {
		t.Errorf("workers %+v", c.Workers)
	}
	if len(c.Services) != 1 || c.Services[0].Labels["zone"] != "b" {
		t.Errorf("services %+v", c.Services)
	}
	if len(c.Endpoints) != 1 || c.Endpoints[0].Service != "ledger" || c.Endpoints[0].Address != "10.0.0.7:80" {
		t.Errorf("endpoints %+v", c.Endpoints)
	}
	if e, ok := c.Election("worker/sync"); !ok || e.Leader.ID != worker || e.Leader.Node != "ts" {
		t.Errorf("elections %+v", c.Elections)
	}
}

func TestOurRecordsOnEtcdAreThoseOfTheOriginal(t *testing.T) {
	t.Parallel()
	m := start(t)
	client := dial(t, m, nil)
	d := open(t, m, discovery.Config{Node: "ours", Version: "1.2.3"})
	reg, err := d.Register(discovery.Unit{Kind: discovery.Service, Name: "ledger", Labels: map[string]string{"a": "<b>"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reg.Publish(discovery.Endpoint{Protocol: "http", Address: "10.0.0.7:80"}); err != nil {
		t.Fatal(err)
	}
	watch := client.Watch(t.Context(), prefix+"/", clientv3.WithPrefix(), clientv3.WithRev(1))
	leases := map[int64]bool{}
	for kinds := map[string]bool{}; len(kinds) < 3; {
		for _, event := range (<-watch).Events {
			key, value := strings.TrimPrefix(string(event.Kv.Key), prefix+"/"), string(event.Kv.Value)
			kind, id, _ := strings.Cut(key, "/")
			kinds[kind] = true
			leases[event.Kv.Lease] = true
			if !strings.Contains(value, `"id":"`+id+`"`) || strings.Contains(value, ": ") {
				t.Errorf("%s holds %s", key, value)
			}
			if id == reg.ID() && !strings.Contains(value, `"labels":{"a":"<b>"}`) {
				t.Errorf("labels of %s", value)
			}
		}
	}
	if len(leases) != 1 || leases[0] {
		t.Errorf("leases %v, want one for all records of a process", leases)
	}
}
