// Package demo is what `singleton demo` shows: three processes of one cluster, the faults that befall their leader, and for
// how long nobody did its work.
//
// It is a play. The stage is a store and what nodes are made of there: processes on a real etcd member, or runtimes
// within this process, on memory. All nodes run the same two units, and whatever these do is an effect that the sink
// accepts or refuses by its fencing token. The play strikes the leader with one fault after the other; what it shows is what
// discovery tells any observer of the cluster, and what it measures are the sink's own readings of its clock.
package demo
