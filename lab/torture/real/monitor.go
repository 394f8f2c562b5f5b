package real

import (
	"context"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
)

// A monitor asks every member who leads etcd, and notes when nobody did.
type monitor struct {
	clients []*clientv3.Client // each goes straight to one member
	history *history
	cancel  context.CancelFunc
	done    sync.WaitGroup

	mu       sync.Mutex
	views    []view
	ids      []uint64
	current  uint64 // the member that leads, if a majority agrees on it
	raftTerm uint64
	majority bool
	began    bool
}

// A view is what one member says.
type view struct {
	answers      bool
	member       uint64
	leader, term uint64
}

const (
	askEvery  = 100 * time.Millisecond
	askAtMost = time.Second
)

func watchEtcd(ctx context.Context, members []memberSpec, h *history) (*monitor, error) {
	ctx, cancel := context.WithCancel(ctx)
	m := &monitor{history: h, cancel: cancel, views: make([]view, len(members)), ids: make([]uint64, len(members))}
	quick := grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: askEvery, MaxDelay: askEvery}})
	for i, s := range members {
		c, err := clientv3.New(clientv3.Config{
			Endpoints: []string{"http://" + s.Client}, Logger: zap.NewNop(), DialOptions: []grpc.DialOption{quick},
		})
		if err != nil {
			m.close()
			return nil, err
		}
		m.clients = append(m.clients, c)
		m.done.Go(func() { m.ask(ctx, i, c) })
	}
	return m, nil
}

func (m *monitor) close() {
	m.cancel()
	m.done.Wait()
	for _, c := range m.clients {
		_ = c.Close()
	}
}

// ask asks one member again and again.
func (m *monitor) ask(ctx context.Context, i int, client *clientv3.Client) {
	t := time.NewTicker(askEvery)
	defer t.Stop()
	for {
		bounded, cancel := context.WithTimeout(ctx, askAtMost)
		resp, err := pb.NewMaintenanceClient(client.ActiveConnection()).Status(bounded, &pb.StatusRequest{})
		cancel()
		v := view{answers: err == nil}
		if err == nil {
			v.member, v.leader, v.term = resp.GetHeader().GetMemberId(), resp.GetLeader(), resp.GetRaftTerm()
		}
		m.see(i, v)
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// see takes one view, and judges all of them.
func (m *monitor) see(i int, v view) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.views[i] = v
	if v.answers {
		m.ids[i] = v.member
	}
	answering, leader, term := 0, map[uint64]int{}, m.raftTerm
	for _, v := range m.views {
		if !v.answers {
			continue
		}
		answering++
		if v.leader != 0 {
			leader[v.leader]++
		}
		term = max(term, v.term)
	}
	current := uint64(0)
	for id, n := range leader {
		if n > len(m.views)/2 && m.alive(id) {
			current = id
		}
	}
	m.judge(answering > len(m.views)/2, current, term)
}

// alive says whether the member that leads answers.
func (m *monitor) alive(id uint64) bool {
	for _, v := range m.views {
		if v.member == id && v.answers {
			return true
		}
	}
	return false
}

// judge notes what has changed.
func (m *monitor) judge(majority bool, current, term uint64) {
	at := now()
	m.history.with(func() {
		if m.began && (m.current != 0 && current == 0 || term > m.raftTerm) {
			m.history.losses = append(m.history.losses, at)
		}
		switch last := len(m.history.outages) - 1; {
		case m.began && m.majority && !majority:
			m.history.outages = append(m.history.outages, span{Start: at})
		case !m.majority && majority && last >= 0:
			m.history.outages[last].End = at
		}
	})
	m.began = m.began || current != 0
	m.majority, m.current, m.raftTerm = majority, current, term
}

// leader returns the member that leads, or 0.
func (m *monitor) leader() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.current
}

// leads says whether a member leads.
func (m *monitor) leads(i int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.current != 0 && m.ids[i] == m.current
}

// answers says whether a member answers.
func (m *monitor) answers(i int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.views[i].answers
}
