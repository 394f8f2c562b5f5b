package etcdengine

import (
	"fmt"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/singleton-go/singleton/engine"
)

// A store is what an engine knows about the cluster behind its connection: enough to notice that it is no longer the same.
type store struct {
	mu      sync.Mutex
	cluster uint64 // its id; 0 before the first answer
	highest int64  // the highest revision in any answer
	rewound error  // why nothing may be done on this store any more
	latest  proof
	changed chan struct{} // closed when latest or rewound changes; nil while nobody waits
}

// A question is what was known just before a request was sent.
type question struct {
	at      time.Time
	highest int64
}

// A proof says that every change committed before asOf has at most this revision.
type proof struct {
	asOf     time.Time
	revision int64
}

// ask begins a request, or refuses it because the store is not the one that it was.
func (s *store) ask() (question, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return question{at: time.Now(), highest: s.highest}, s.rewound
}

// answered takes the answer to a question that a quorum agreed on. The revision is compared with what was known before the
// question was sent, not with what other answers brought meanwhile: those may rightly be newer than this one.
func (s *store) answered(q question, h *pb.ResponseHeader) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.GetRevision() < q.highest {
		return s.reject(fmt.Errorf("revision %d after %d: %w", h.GetRevision(), q.highest, engine.ErrRewound))
	}
	return s.same(h)
}

// heard takes an answer of one member alone, which may lag behind the others.
func (s *store) heard(h *pb.ResponseHeader) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.same(h)
}

// same refuses a header of another cluster, and remembers how far the store is. It is called with the lock held.
func (s *store) same(h *pb.ResponseHeader) error {
	if s.rewound != nil {
		return s.rewound
	}
	if s.cluster == 0 {
		s.cluster = h.GetClusterId()
	}
	if h.GetClusterId() != s.cluster {
		return s.reject(fmt.Errorf("cluster %x instead of %x: %w", h.GetClusterId(), s.cluster, engine.ErrRewound))
	}
	s.highest = max(s.highest, h.GetRevision())
	return nil
}

// reject keeps the first finding for ever and wakes the watches. It is called with the lock held.
func (s *store) reject(err error) error {
	if s.rewound == nil {
		s.rewound = err
		s.wake()
	}
	return s.rewound
}

// prove hands a proof to the watches.
func (s *store) prove(p proof) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.asOf.After(s.latest.asOf) {
		s.latest = p
		s.wake()
	}
}

func (s *store) wake() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// news returns the latest proof, and a channel that is closed when there is a newer one or none can come any more.
func (s *store) news() (latest proof, changed <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.latest, s.changed, s.rewound
}
