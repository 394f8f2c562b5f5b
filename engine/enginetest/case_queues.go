package enginetest

import (
	"fmt"
	"sync"
	"time"

	"github.com/singleton-go/singleton/engine"
)

var queueCases = []testCase{
	{name: "Created rises with every creation of a queue and never falls in the store", duties: []int{7}, run: createdRises},
	{name: "many writers of one queue are seen in the order of Created by every reader", duties: []int{7, 12, 13, 18}, run: concurrentCreation},
	{name: "only one of many who create the same key at once succeeds", duties: []int{8, 18}, run: oneOfManyCreates},
	{name: "a process that stands still in the middle of its calls holds up nobody", duties: []int{19}, run: standingStill},
}

func createdRises(tr *trial) {
	sessions := []engine.Session{tr.openLong(tr.connect()), tr.openLong(tr.connect()), tr.openLong(tr.connect())}
	var store uint64
	queues := map[string]uint64{}
	for i := range 30 {
		s, queue := sessions[i%3], fmt.Sprintf("rise/%d/", i/5%2)
		r := tr.create(s, numbered(queue, i%4), "")
		if r.Created == 0 || r.Created < store || r.Created <= queues[queue] {
			tr.broken(7, "%s was created after Created %d in the store and %d in its queue", show(r), store, queues[queue])
		}
		store, queues[queue] = r.Created, r.Created
		tr.remove(s, r)
	}
}

// concurrentCreation has processes create and delete in one queue, while readers come, are cut off, and are broken.
func concurrentCreation(tr *trial) {
	const processes, writers, each = 3, 3, 12
	o := engine.WatchOptions{Prefix: "queue/", Progress: tr.harness.TTL / 3}
	disturbed := tr.connect()
	viewers := []*viewer{tr.watch(tr.connect().Engine, o), tr.watch(disturbed.Engine, o)}
	var wrote sync.WaitGroup
	var mu sync.Mutex
	var left []engine.Record
	for p := range processes {
		c := tr.connect()
		s := tr.openLong(c)
		viewers = append(viewers, tr.watch(c.Engine, o))
		for w := range writers {
			wrote.Go(func() {
				stay := tr.writeQueue(s, fmt.Sprintf("queue/%d-%d-", p, w), each)
				mu.Lock()
				defer mu.Unlock()
				left = append(left, stay...)
			})
		}
	}
	for i := range 3 {
		viewers[0].until(12, "half of the creations", func() bool { return len(viewers[0].past) > (i+1)*processes*writers*each/5 })
		viewers = append(viewers, tr.watch(tr.connect().Engine, o))
		if disturbed.Cut != nil {
			heal := disturbed.Cut(tr.T)
			viewers = append(viewers, tr.watchLater(disturbed.Engine, o))
			viewers[0].until(12, "more creations", func() bool { return len(viewers[0].past) > (i+2)*processes*writers*each/5 })
			heal()
		}
	}
	wrote.Wait()
	for _, v := range viewers {
		v.shows(13, left...)
	}
}

// writeQueue creates n records, deletes each third, and returns what is left.
func (tr *trial) writeQueue(s engine.Session, prefix string, n int) (left []engine.Record) {
	var last uint64
	for i := range n {
		r, err := s.Create(tr.ctx(), numbered(prefix, i), nil)
		if err != nil {
			tr.Errorf("create: %v", err) // no Fatal: this is not the goroutine of the test
			return left
		}
		tr.confirm(r, false)
		if r.Created <= last {
			tr.broken(7, "one process created %d and then %d in one queue", last, r.Created)
		}
		last = r.Created
		if i%3 != 0 {
			left = append(left, r)
			continue
		}
		tr.doom(r)
		if err := s.Delete(tr.ctx(), r); err != nil {
			tr.Errorf("delete: %v", err)
			return left
		}
		tr.confirm(r, true)
	}
	return left
}

func oneOfManyCreates(tr *trial) {
	const rivals = 6
	sessions := make([]engine.Session, rivals)
	for i := range sessions {
		sessions[i] = tr.openLong(tr.connect())
	}
	for round := range 5 {
		key := numbered("rivals/", round)
		var racing sync.WaitGroup
		records, errs := make([]engine.Record, rivals), make([]error, rivals)
		for i, s := range sessions {
			racing.Go(func() { records[i], errs[i] = s.Create(tr.ctx(), key, []byte(s.ID())) })
		}
		racing.Wait()
		winners := 0
		for i, r := range records {
			if errs[i] == nil {
				winners++
			}
			if !same(r, records[0]) {
				tr.broken(8, "two who create one key at once are told of %s and of %s (%v)", show(records[0]), show(r), errs[i])
			}
		}
		if winners != 1 {
			tr.broken(8, "%d of %d who create one key at once succeed: %v", winners, rivals, errs)
		}
	}
}

// standingStill can only stop a process between its bytes; an engine that shares memory or locks between processes has to
// prove more in its own tests.
func standingStill(tr *trial) {
	c, sound := tr.connect(), tr.connect()
	tr.need("Cut", c.Cut != nil)
	s, other := tr.openLong(c), tr.openLong(sound)
	v := tr.watch(sound.Engine, engine.WatchOptions{Prefix: "still/"})
	done := make(chan struct{})
	var busy sync.WaitGroup
	defer busy.Wait()
	defer close(done)
	for w := range 3 {
		busy.Go(func() { tr.churn(s, fmt.Sprintf("still/%d-", w), done) })
	}
	for i := range 5 {
		v.until(12, "that the busy process goes on", func() bool { return len(v.past) > 10*i })
		tr.othersGoOn(c, other, v, numbered("still/other-", i))
	}
}

// othersGoOn has one process stand still, wherever it just is, and another create a record.
func (tr *trial) othersGoOn(c Conn, other engine.Session, v *viewer, key string) {
	tr.Helper()
	heal := c.Cut(tr.T)
	defer heal()
	tr.pause(20 * time.Millisecond)        // time to run into the standstill, with whatever it holds just then
	limit := tr.harness.TTL/2 + tr.slack() // well before the session of the one that stands could end
	r, err := other.Create(tr.within(limit), key, nil)
	if err != nil {
		tr.hopeless(19, "while another process stood still, Create failed within %v: %v", limit, err)
	}
	v.until(19, "what was created while another process stood still", func() bool { return same(v.now[key], r) })
}

// churn creates and deletes until done, and gives up what takes long.
func (tr *trial) churn(s engine.Session, prefix string, done <-chan struct{}) {
	for i := 0; ; i++ {
		select {
		case <-done:
			return
		case <-tr.within(5 * time.Millisecond).Done(): // leaves some of the store to the others
		}
		if r, err := s.Create(tr.within(brief), numbered(prefix, i), nil); err == nil {
			s.Delete(tr.within(brief), r) //nolint:errcheck // it may be cut off; the session's end removes the record
		}
	}
}
