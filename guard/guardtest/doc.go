// Package guardtest holds the tests of guards around whole programs: runtimes on a real etcd member, in processes that are
// killed. It is a module of its own because of the server's dependencies, and has nothing to import.
package guardtest
