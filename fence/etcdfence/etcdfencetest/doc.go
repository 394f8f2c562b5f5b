// Package etcdfencetest tests package etcdfence on a real etcd member, which runs inside the test.
//
// It is a module of its own so that etcdfence does not require etcd's server.
package etcdfencetest
