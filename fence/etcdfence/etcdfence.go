// Package etcdfence fences keys in etcd: a transaction of an older term is refused once one of a newer term has been there.
//
//	_, err := etcdfence.Txn(ctx, client, term, "invoices").
//		Then(clientv3.OpPut("/invoices/17", "void")).
//		Commit()
//
// The highest token of each resource and election is a key, and every fenced transaction compares with it and raises it. Both
// happen in etcd's one order with the effects, so there is nothing to wait for and nothing to clean up: a process that is paused
// holds up nobody, and what it sends late is refused.
//
// The elections may be on any engine. Where they are on this same etcd, the tokens are its revisions; the check is the same.
//
// # In the store
//
//	singleton-fence/RESOURCE ELECTION 0000000000001234567
//
// is an empty key that says which token is the highest; names have no spaces, so nothing is ambiguous. (The token is in the
// key and not in the value, since etcd can compare a value only where there is one.) A [clientv3.KV] of the client's package
// namespace puts it under its prefix, as all keys. All writers must use the same prefix: another one is another fence.
//
// # Limits
//
//   - What is written without this package is not fenced, and who deletes its keys makes it forget. A [clientv3.KV] must send
//     transactions to etcd as they are.
//   - A transaction whose answer got lost has happened or has not; etcd's client says so with the context's error or with one of
//     the connection's. It may be sent again if its work may happen twice.
//   - Of the operations that etcd allows in a transaction (--max-txn-ops, 128) a fenced one takes 1, and 1 for each resource.
//   - An etcd that is restored from a backup falls back together with its keys. See [Reset] for other resources than those in it.
package etcdfence

import (
	"context"
	"errors"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/singleton-go/singleton/fence"
)

// Txn begins a transaction that has its effects only if the term is at least as new as every term of its election that was at
// any of the resources before. There must be at least one.
//
// It is used as one of the client's own, with If, Then and Else; each adds to what was given before. All of them are fenced: a
// stale term reads and writes nothing. The answer is that of the caller's transaction, as if the fence were not there. The
// resources' tokens are raised whichever way the comparisons go.
//
// Commit returns a [*fence.StaleError] if a newer term has been there, [fence.ErrNoTerm] or [fence.ErrInvalid] for what is no
// term or no name, without asking etcd, and else etcd's error.
func Txn(ctx context.Context, kv clientv3.KV, term fence.Term, resources ...string) clientv3.Txn {
	t := &txn{kv: kv, ctx: ctx}
	if len(resources) == 0 {
		t.err = fmt.Errorf("%w: no resource named", fence.ErrInvalid)
	}
	for _, resource := range resources {
		check, err := NewCheck(resource, term)
		t.checks = append(t.checks, check)
		t.err = errors.Join(t.err, err)
	}
	return t
}

type txn struct {
	kv     clientv3.KV
	ctx    context.Context //nolint:containedctx // it goes where the client's own transactions have it
	checks []Check
	err    error

	cmps        []clientv3.Cmp
	then, other []clientv3.Op
}

func (t *txn) If(cmps ...clientv3.Cmp) clientv3.Txn {
	t.cmps = append(t.cmps, cmps...)
	return t
}

func (t *txn) Then(ops ...clientv3.Op) clientv3.Txn {
	t.then = append(t.then, ops...)
	return t
}

func (t *txn) Else(ops ...clientv3.Op) clientv3.Txn {
	t.other = append(t.other, ops...)
	return t
}

// Commit puts the caller's transaction, as a whole, into one that has the checks. Were they side by side, a stale term
// would have the effects of Else.
func (t *txn) Commit() (*clientv3.TxnResponse, error) {
	if t.err != nil {
		return nil, fmt.Errorf("fenced transaction: %w", t.err)
	}
	var (
		cmps []clientv3.Cmp
		read []clientv3.Op
		work = []clientv3.Op{clientv3.OpTxn(t.cmps, t.then, t.other)}
	)
	for _, c := range t.checks {
		cmps, work, read = append(cmps, c.If()), append(work, c.Then()), append(read, c.Else())
	}
	answer, err := t.kv.Txn(t.ctx).If(cmps...).Then(work...).Else(read...).Commit()
	if err != nil {
		return nil, fmt.Errorf("fenced transaction: %w", err)
	}
	if !answer.Succeeded {
		return nil, t.refusal(answer)
	}
	own := (*clientv3.TxnResponse)(answer.Responses[0].GetResponseTxn())
	own.Header = answer.Header // an inner answer has none
	return own, nil
}

func (t *txn) refusal(answer *clientv3.TxnResponse) error {
	for i, c := range t.checks {
		if err := c.Err(answer.Responses[i]); err != nil {
			return err
		}
	}
	return errors.New("fenced transaction: refused, but no newer term has been there")
}

// Reset forgets the highest token of one resource and election, and logs it; see [fence.Reset].
func Reset(ctx context.Context, kv clientv3.KV, r fence.Reset) error {
	if err := errors.Join(r.Validate(), fence.ValidateResource(r.Resource)); err != nil {
		return err
	}
	m := markOf(r.Resource, r.Election)
	answer, err := kv.Delete(ctx, m.prefix, clientv3.WithPrefix(), clientv3.WithPrevKV())
	if err != nil {
		return fmt.Errorf("reset fence: %w", err)
	}
	var newest uint64
	for _, pair := range answer.PrevKvs {
		if token, err := m.token(pair.Key); err == nil { // whatever else stood there is gone too
			newest = max(newest, token)
		}
	}
	r.Log(ctx, newest)
	return nil
}
