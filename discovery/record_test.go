package discovery_test

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/singleton-go/singleton/discovery"
)

// The records must be byte for byte what a node of the original framework reads.
func TestRecordsAreThoseOfTheOriginal(t *testing.T) {
	inCluster(t, func(c *cluster) {
		p := c.join(discovery.Config{Prefix: "/my-app", Node: "build-1", Version: "1.2.3"})
		labels := map[string]string{"zone": "b", "a": "1"}
		ledger := p.register(discovery.Unit{
			Kind: discovery.Service, Name: "ledger", Alias: "the <ledger> & more", ID: "s1",
			Labels: labels,
		})
		labels["zone"] = "the caller's own from here on"
		p.register(discovery.Unit{Kind: discovery.Service, Name: "bare", ID: "s2"})
		p.register(discovery.Unit{Kind: discovery.Worker, Name: "sync", ID: "w1"})
		p.register(discovery.Unit{Kind: discovery.Worker, Name: "sync", ID: "w2", Alias: "zwei"}).Set(discovery.Pending, 0)
		for _, e := range []discovery.Endpoint{
			{
				ID: "e1", Protocol: "grpc", Address: "10.0.0.7:9090", Labels: map[string]string{"token": "7"}, Codecs: []string{"json", "proto"},
				Weight: 3,
			},
			{ID: "e2", Protocol: "tcp", Address: ":1"},
		} {
			if _, err := ledger.Publish(e); err != nil {
				c.Fatal(err)
			}
		}
		time.Sleep(10 * time.Second)
		ledger.Set(discovery.Ready, 1795422411000012)
		time.Sleep(5 * time.Second)
		ledger.Set(discovery.Stopping, 1795422411000012)
		synctest.Wait()

		host, _ := os.Hostname()
		id := p.NodeID()
		framework := regexp.MustCompile(`singleton-go/[^"]+`).FindString(c.records()["/my-app/node/"+id])
		c.mustHold("/my-app/", map[string]string{
			"/my-app/node/" + id: fmt.Sprintf(`{"id":"%s","alias":"build-1","host":"%s","pid":%d,"endpoints":[],"state":3,`+
				`"startTime":946684800,"versions":{"framework":"%s","app":"1.2.3"}}`, id, host, os.Getpid(), framework),
			"/my-app/service/" + id: fmt.Sprintf(`{"name":"node","alias":"build-1","id":"%s","nodeId":"%s","state":3,`+
				`"startTime":946684800,"labels":[]}`, id, id),
			"/my-app/service/s1": `{"name":"ledger","alias":"the <ledger> & more","id":"s1","nodeId":"` + id + `","state":4,` +
				`"startTime":946684800,"labels":{"a":"1","zone":"b"},"term":{"token":1795422411000012,"since":946684810}}`,
			"/my-app/service/s2": `{"name":"bare","id":"s2","nodeId":"` + id + `","state":1,"startTime":946684800,"labels":[]}`,
			"/my-app/worker/w1":  `{"name":"sync","state":1,"id":"w1","nodeId":"` + id + `","startTime":946684800}`,
			"/my-app/worker/w2":  `{"name":"sync","alias":"zwei","state":2,"id":"w2","nodeId":"` + id + `","startTime":946684800}`,
			"/my-app/endpoint/e1": `{"id":"e1","protocol":"grpc","endpoint":"10.0.0.7:9090","state":3,"labels":{"token":"7"},` +
				`"codecs":["json","proto"],"targetId":"s1","targetName":"ledger","weight":3,"version":"1.2.3"}`,
			"/my-app/endpoint/e2": `{"id":"e2","protocol":"tcp","endpoint":":1","state":3,"labels":{},` +
				`"codecs":[],"targetId":"s1","targetName":"ledger","weight":100,"version":"1.2.3"}`,
		})
	})
}

func TestTermIsLeftOutWhereThereIsNone(t *testing.T) {
	inCluster(t, func(c *cluster) {
		p := c.node("a")
		w := p.register(discovery.Unit{Kind: discovery.Worker, Name: "w", ID: "W"})
		w.Set(discovery.Ready, 7)
		synctest.Wait()
		if value := c.records()["/t/worker/W"]; !strings.Contains(value, `"term":{"token":7,`) {
			c.Errorf("the record is %s, want it to name the term", value)
		}
		w.Set(discovery.Pending, 0)
		synctest.Wait()
		if value := c.records()["/t/worker/W"]; !strings.HasSuffix(value, `"startTime":946684800}`) {
			c.Errorf("the record is %s, want no term", value)
		}
	})
}

func TestAliasOfTheNodeIsLeftOutWhenItIsTheHost(t *testing.T) {
	inCluster(t, func(c *cluster) {
		p := c.join(discovery.Config{})
		synctest.Wait()
		for _, key := range []string{"/t/node/", "/t/service/"} {
			if value := c.records()[key+p.NodeID()]; value == "" || strings.Contains(value, "alias") {
				c.Errorf("%s: %s, want no alias", key, value)
			}
		}
	})
}

// original puts the records of a node of the original framework: its registry on one lease, its candidate on another.
func original(c *cluster) {
	s, campaign := c.foreign(), c.foreign()
	c.put(s, "/t/node/N", `{"id":"N","alias":"ts-1","host":"box","pid":42,"endpoints":[{"id":"E0","protocol":"tcp",`+
		`"endpoint":"10.1.1.1:5000","state":3,"labels":{},"codecs":["json"]}],"state":3,"startTime":946684700,`+
		`"versions":{"framework":"2.2.0","app":"0.9"},"more":{"x":[1]}}`)
	c.put(s, "/t/service/N", `{"name":"node","alias":"ts-1","id":"N","nodeId":"N","state":3,"startTime":946684700,"labels":[]}`)
	c.put(s, "/t/service/S", `{"name":"pay","id":"S","nodeId":"N","state":3,"startTime":946684700,"labels":[]}`)
	c.put(s, "/t/service/T", `{"name":"pay","id":"T","nodeId":"N","state":100,"startTime":946684701.5,"labels":{"zone":"b","n":7}}`)
	c.put(s, "/t/worker/W", `{"name":"sync","state":1,"id":"W","nodeId":"N","startTime":946684700}`)
	c.put(s, "/t/endpoint/E", `{"id":"E","protocol":"tcp","endpoint":"10.1.1.1:5001","state":3,"labels":{"v":"1"},`+
		`"codecs":["json"],"targetId":"S","targetName":"pay","weight":100,"version":"7"}`)
	c.put(campaign, "election//t/singleton/worker/sync/694d9a", "W")
}

func TestRecordsOfAnOriginalNodeAreRead(t *testing.T) {
	inCluster(t, func(c *cluster) {
		original(c)
		p := c.join(discovery.Config{Observer: true})
		got := p.look()
		start := time.Unix(946684700, 0)
		wantNode := discovery.Node{
			ID: "N", Name: "ts-1", Host: "box", PID: 42, State: discovery.Ready, Started: start,
			Framework: "2.2.0", Version: "0.9", Session: got.Nodes[0].Session, Endpoints: []discovery.Endpoint{{
				ID:       "E0",
				Protocol: "tcp", Address: "10.1.1.1:5000", State: discovery.Ready, Codecs: []string{"json"},
			}},
		}
		wantServices := []discovery.Instance{
			{Kind: discovery.Service, ID: "S", Name: "pay", NodeID: "N", Node: "ts-1", State: discovery.Ready, Started: start},
			{
				Kind: discovery.Service, ID: "T", Name: "pay", NodeID: "N", Node: "ts-1", State: discovery.Error,
				Started: start.Add(time.Second), Labels: map[string]string{"zone": "b", "n": "7"},
			},
		}
		wantWorkers := []discovery.Instance{{
			Kind: discovery.Worker, ID: "W", Name: "sync", NodeID: "N", Node: "ts-1",
			State: discovery.Init, Started: start,
		}}
		wantEndpoints := []discovery.Endpoint{{
			ID: "E", Protocol: "tcp", Address: "10.1.1.1:5001", State: discovery.Ready,
			Labels: map[string]string{"v": "1"}, Codecs: []string{"json"}, ServiceID: "S", Service: "pay", Weight: 100, Version: "7",
		}}
		for _, x := range []struct{ got, want any }{
			{got.Nodes, []discovery.Node{wantNode}},
			{got.Services, wantServices},
			{got.Workers, wantWorkers},
			{got.Endpoints, wantEndpoints},
		} {
			if !reflect.DeepEqual(x.got, x.want) {
				c.Errorf("got\n%+v, want\n%+v", x.got, x.want)
			}
		}
		p.mustQueue("worker/sync", "ts-1") // by its unit, for its session is not the node's
		if e, _ := got.Election("worker/sync"); e.Leader.ID != "W" || e.Leader.NodeID != "N" || !e.Since.IsZero() || e.Seen.IsZero() {
			c.Errorf("election %+v, want W of node N leading, since when it has not said", e)
		}
	})
}

// Nothing that another program writes may break the view of the rest.
func TestMalformedRecordsAreSkipped(t *testing.T) {
	inCluster(t, func(c *cluster) {
		s := c.foreign()
		bad := map[string]string{
			"node/a": ``, "node/b": `{`, "node/c": `[]`, "node/d": `null`, "node/e": `"e"`, "node/f": `{"id":"other"}`,
			"node/g": `{"id":"g","pid":{}}`, "node/": `{"id":""}`, "node": `{"id":"node"}`, "node/x/y": `{"id":"x/y"}`,
			"worker/a": `{"id":7}`, "worker/b": `{"id":"b","state":"ready"}`, "worker/c": `{"id":"c","term":7}`,
			"worker/d": `{"id":"d","term":{"token":-1}}`, "service/a": `{"id":"a","labels":"none"}`,
			"endpoint/a": `{"id":"a","codecs":{}}`, "else/a": `{"id":"a"}`, "": `{}`, "//": `{}`, "worker/\xc3\xa9": "\xff\xfe",
		}
		for key, value := range bad {
			c.put(s, "/t/"+key, value)
		}
		p := c.join(discovery.Config{Observer: true})
		cut := c.put(s, "/t/worker/good", `{"name":"w","state":3,"id":"good","nodeId":"?","startTime":1}`)
		got := p.look()
		if len(got.Nodes)+len(got.Services)+len(got.Endpoints) > 0 || len(got.Workers) != 1 || got.Workers[0].ID != "good" {
			c.Errorf("got %+v, want the one good worker", got)
		}
		for _, value := range []string{`{"name":"w"`, `{"name":"w","state":2,"id":"good","nodeId":"?","startTime":1}`} {
			if _, err := s.Replace(c.Context(), cut, []byte(value)); err != nil {
				c.Fatal(err)
			}
			synctest.Wait()
			want := strings.Count(value, "}")
			if got := p.look().Workers; len(got) != want {
				c.Errorf("after %s: %+v, want %d workers", value, got, want)
			}
		}
	})
}

func TestWhatAnswersToNullsIsRead(t *testing.T) {
	inCluster(t, func(c *cluster) {
		s := c.foreign()
		c.put(s, "/t/service/S", `{"name":"pay","alias":null,"id":"S","nodeId":"N","state":9,"startTime":null,"labels":null,"term":null}`)
		c.put(s, "/t/endpoint/E", `{"id":"E","protocol":"tcp","endpoint":"x","state":3,"labels":null,"codecs":null,`+
			`"targetId":"S","targetName":"pay","weight":null,"version":3}`)
		p := c.join(discovery.Config{Observer: true})
		got := p.look()
		if len(got.Services) != 1 || len(got.Endpoints) != 1 || got.Endpoints[0].Version != "3" {
			c.Fatalf("got %+v, want a service and its endpoint", got)
		}
		if state := got.Services[0].State.String(); state != "state(9)" {
			c.Errorf("state %s, want state(9)", state)
		}
	})
}
