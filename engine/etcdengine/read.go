package etcdengine

import (
	"context"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/singleton-go/singleton/engine"
)

// pageSize is how many records one answer holds at most when the whole state is read.
const pageSize = 1000

// A keyRange is the keys from key up to, but not including, end.
type keyRange struct{ key, end string }

// prefixed is the range of all keys with this prefix. Etcd has no empty key: the range of all starts at its lowest one, and an
// end of one zero byte means that it is open.
func prefixed(prefix string) keyRange {
	if prefix == "" {
		return keyRange{key: "\x00", end: "\x00"}
	}
	return keyRange{key: prefix, end: clientv3.GetPrefixRangeEnd(prefix)}
}

// read returns all records of a range as they were at one revision, which is at least that of every change committed before
// the returned proof's instant. Each page is asked for again when it takes longer than patience.
func (e *Engine) read(ctx context.Context, patience time.Duration, r keyRange) ([]engine.Change, proof, error) {
	asked, err := e.store.ask()
	if err != nil {
		return nil, proof{}, err
	}
	var changes []engine.Change
	state := proof{asOf: asked.at}
	for {
		resp, err := e.get(ctx, patience, r.key, clientv3.WithRange(r.end), clientv3.WithLimit(pageSize), clientv3.WithRev(state.revision))
		if err != nil {
			return nil, proof{}, err
		}
		if err := e.store.answered(asked, resp.Header); err != nil {
			return nil, proof{}, err
		}
		if state.revision == 0 {
			state.revision = resp.Header.Revision // the other pages are of this one too
		}
		for _, kv := range resp.Kvs {
			changes = append(changes, engine.Change{Record: record(kv)})
		}
		if !resp.More {
			return changes, state, nil
		}
		r.key = string(resp.Kvs[len(resp.Kvs)-1].Key) + "\x00"
	}
}
