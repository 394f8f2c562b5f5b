// Package etcdengine runs elections on an etcd cluster: it meets the contract of package engine on etcd's own leases,
// transactions and watches, and adds nothing to the store that etcd's own election recipe would not write.
//
// # What stands for what
//
//   - A session is a lease, and its ID is the lease's id in lower-case hex. Etcd grants whole seconds, and never fewer than
//     its election timeout allows, so a granted TTL may be longer than the wanted one. Where the reply to a grant is lost, a
//     lease is left behind that holds nothing, and ends by itself after its TTL.
//   - A record is a key under that lease. Created is its create revision: one counter for the whole store, agreed on by a
//     quorum, which is what makes "the lowest Created leads" sound.
//   - Creations of a session that wait at the same time share a transaction, in which each stands or falls by itself. Those of
//     one queue never do: all records of a transaction have the same revision.
//   - An update is what one watch response holds: whole revisions. A lease that ends deletes all its keys in one revision.
//
// # What is known, and from when
//
// A watch alone proves nothing by being silent: the member behind it may be stopped. So a progress mark has two halves. A
// linearizable read, which a quorum answers, says how far the store was when it was sent; and the watch itself, by an event or by
// a progress answer that etcd sends in the order of the events, says that it has delivered that far. The mark carries
// the instant before the read. Every renewal makes such a read as well, for another reason (below), and the watches of the
// same engine use it: an idle process costs one renewal and one small read per interval.
//
// # The same store
//
// Every answer names its cluster and its revision. A cluster id that changes, or an agreed answer whose revision is below one
// that was seen before the question was asked, means that the store was replaced, or restored from a backup: from then on all
// calls of the [Engine] return [engine.ErrRewound]. Whoever restores a backup bumps the revision (etcdutl snapshot restore
// --bump-revision --mark-compacted), and then nothing of this kind happens: lower numbers never come back. What can't be
// seen is a store that goes back and grows past the highest revision that this process knew before it asks again, which it
// does at every renewal.
//
// # The caller's client
//
// The client is the caller's, with its endpoints, TLS, users and keepalive settings; no promise here depends on them. The engine
// uses the client's connection and not its KV, Lease and Watcher fields, so a wrapper put there (as package namespace does)
// has no effect. Watches are plain streams of their own: the client library's watcher resumes by itself after it was
// disconnected, and would do so on a store that went back, without a word.
//
// A request that may be repeated is sent twice more beside itself when its answer is overdue, and streams of watches are opened in
// the same way. The client takes its connections in turn, and of two neighbours only one can be the dead one, so a machine that
// vanished without closing its connection costs nothing but that wait. A process with one endpoint is back when the system gives
// its connection up, which takes up to a quarter of an hour unless the client was told to keep it alive.
//
// A connection sends a ping for most of what it receives, to find out how large its flow-control window should be. A client with fixed
// windows sends none, which makes a hand-over among many candidates up to a fifth faster: put
// grpc.WithInitialWindowSize(1<<20) and grpc.WithInitialConnWindowSize(1<<20) into its DialOptions.
//
// With a user name and password the client library authenticates anew whenever a stream is opened, which is once for each
// renewal; that costs the server a password hash. Client certificates cost nothing.
package etcdengine
