package etcdfence

import (
	"fmt"
	"strings"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/singleton-go/singleton/fence"
)

// A Check is what a transaction must have in it to be fenced. It is for those who put their transactions together in another
// way than [Txn]. All three parts belong into the same one:
//
//	check, err := etcdfence.NewCheck("invoices", term)
//	...
//	answer, err := kv.Txn(ctx).If(check.If()).Then(check.Then(), effect).Else(check.Else()).Commit()
//	...
//	if !answer.Succeeded {
//		return check.Err(answer.Responses[0])
//	}
//
// A transaction with comparisons of its own takes its Else branch for either reason, so there must be no effects in it, and Err
// says which it was. The zero Check is none.
type Check struct {
	mark     mark
	resource string
	term     fence.Term
}

// NewCheck returns the check of a term at a resource. The error is [fence.ErrNoTerm] or [fence.ErrInvalid] for what is no
// term or no name.
func NewCheck(resource string, term fence.Term) (Check, error) {
	if err := fence.ValidateResource(resource); err != nil {
		return Check{}, err
	}
	if err := fence.Check(resource, term, 0); err != nil {
		return Check{}, err
	}
	return Check{markOf(resource, term.Election()), resource, term}, nil
}

// If holds as long as no newer term has been at the resource.
func (c Check) If() clientv3.Cmp {
	newer := c.mark.key(c.term.Token() + 1)
	return clientv3.Compare(clientv3.CreateRevision(newer).WithRange(c.mark.end()), "=", 0) // of none there is 0
}

// Then raises the resource's highest token to the term's. It writes only if that is lower, so once in a term.
func (c Check) Then() clientv3.Op {
	own := c.mark.key(c.term.Token())
	return clientv3.OpTxn(
		[]clientv3.Cmp{clientv3.Compare(clientv3.CreateRevision(own), "=", 0)},
		[]clientv3.Op{clientv3.OpDelete(c.mark.prefix, clientv3.WithRange(own)), clientv3.OpPut(own, "")},
		nil,
	)
}

// Else reads the resource's highest token, for [Check.Err].
func (c Check) Else() clientv3.Op {
	return clientv3.OpGet(c.mark.prefix, clientv3.WithRange(c.mark.end()), clientv3.WithSort(clientv3.SortByKey, clientv3.SortDescend),
		clientv3.WithLimit(1), clientv3.WithKeysOnly())
}

// Err makes of the answer to [Check.Else] a [*fence.StaleError], or nil if the fence was not what refused.
func (c Check) Err(answer *etcdserverpb.ResponseOp) error {
	pairs := answer.GetResponseRange().GetKvs()
	if len(pairs) == 0 {
		return nil
	}
	newest, err := c.mark.token(pairs[0].GetKey())
	if err != nil {
		return fmt.Errorf("resource %q: %w", c.resource, err)
	}
	return fence.Check(c.resource, c.term, newest)
}

// A mark is where the highest token of one resource and election stands.
type mark struct{ prefix string }

const (
	root = "singleton-fence/"

	digits = 19 // of the highest token, and of the number behind it: keys are then in the order of tokens
)

func markOf(resource, election string) mark {
	return mark{root + resource + " " + election + " "}
}

func (m mark) key(token uint64) string { return fmt.Sprintf("%s%0*d", m.prefix, digits, token) }

// end is behind all tokens, and behind all that somebody else may have put there: better to refuse than to overlook it.
func (m mark) end() string { return clientv3.GetPrefixRangeEnd(m.prefix) }

func (m mark) token(key []byte) (uint64, error) {
	token, err := fence.ParseToken(strings.TrimLeft(strings.TrimPrefix(string(key), m.prefix), "0"))
	if err != nil || m.key(token) != string(key) {
		return 0, fmt.Errorf("%w: key %q is none of package etcdfence", fence.ErrInvalid, key)
	}
	return token, nil
}
