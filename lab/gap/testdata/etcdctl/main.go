// Command etcdctl is etcd's own, which can't be installed by its path since its module replaces others. It is a module of its
// own for what it brings along.
package main

import "go.etcd.io/etcd/etcdctl/v3/ctlv3"

func main() { ctlv3.MustStart() }
