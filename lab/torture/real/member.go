package real

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

// A memberSpec is what the process of a member is told.
type memberSpec struct {
	Name    string
	Dir     string
	Client  string // host and port
	Peer    string
	Cluster string // as etcd's --initial-cluster
}

// memberSpecs finds ports for the members of a cluster.
func memberSpecs(dir string, n int) ([]memberSpec, error) {
	specs := make([]memberSpec, n)
	var cluster []string
	for i := range specs {
		s := &specs[i]
		s.Name = fmt.Sprintf("etcd%d", i+1)
		s.Dir = filepath.Join(dir, s.Name)
		for _, address := range []*string{&s.Client, &s.Peer} {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return nil, err
			}
			defer l.Close() // when all have a port, so that no two have the same
			*address = l.Addr().String()
		}
		cluster = append(cluster, s.Name+"=http://"+s.Peer)
	}
	for i := range specs {
		specs[i].Cluster = strings.Join(cluster, ",")
	}
	return specs, nil
}

// memberRole is the program of a member.
func memberRole(_ context.Context, text string, in io.Reader, _ io.Writer) error {
	var s memberSpec
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return err
	}
	c := embed.NewConfig()
	c.Name, c.Dir, c.InitialCluster = s.Name, s.Dir, s.Cluster
	client, peer := []url.URL{{Scheme: "http", Host: s.Client}}, []url.URL{{Scheme: "http", Host: s.Peer}}
	c.ListenClientUrls, c.AdvertiseClientUrls = client, client
	c.ListenPeerUrls, c.AdvertisePeerUrls = peer, peer
	c.TickMs, c.ElectionMs = 100, uint(electionTimeout/time.Millisecond)
	c.UnsafeNoFsync = true // a killed process loses nothing that it has written
	c.LogLevel = "error"
	e, err := embed.StartEtcd(c)
	if err != nil {
		return fmt.Errorf("%s: %w", s.Name, err)
	}
	alone := make(chan struct{})
	go func() {
		defer close(alone)
		_, _ = io.Copy(io.Discard, in)
	}()
	select {
	case err := <-e.Err():
		return fmt.Errorf("%s: %w", s.Name, err)
	case <-alone:
		return errAlone
	}
}
