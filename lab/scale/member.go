package main

import (
	"errors"
	"os"

	"github.com/singleton-go/singleton/engine/etcdengine/etcdtest"
)

// serveEtcd is the process of etcd: it has one of its own, so that what it costs is not what the nodes cost.
func serveEtcd(r role) error {
	member, err := etcdtest.Start(r.Dir)
	if err != nil {
		return err
	}
	err = obey(os.Stdin, os.Stdout, func(q request) (s state) {
		s.Endpoint = member.Endpoint()
		switch q.Do {
		case "stop":
			member.Stop()
		case "start":
			if err := member.Start(); err != nil {
				s.Err = err.Error()
			}
		}
		return s
	})
	return errors.Join(err, member.Close())
}
