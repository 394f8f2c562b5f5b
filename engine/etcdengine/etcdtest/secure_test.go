package etcdtest_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"

	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/election"
	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/etcdengine"
	"github.com/singleton-go/singleton/engine/etcdengine/etcdtest"
)

const secret = "secret"

// A vault is a member that speaks TLS alone and knows whom it talks to.
type vault struct {
	member *etcdtest.Member
	dir    string
}

// secured starts a vault with the users root, who may do everything, and app, who may use the test's prefix and nothing else.
func secured(t *testing.T) *vault {
	t.Helper()
	v := &vault{dir: t.TempDir()}
	var err error
	v.member, err = etcdtest.Start(v.dir, func(c *embed.Config) {
		c.ListenClientUrls[0].Scheme, c.AdvertiseClientUrls[0].Scheme = "https", "https"
		c.ClientAutoTLS = true
		c.BcryptCost = 4 // the weakest, since nothing is kept here
	})
	try(t, err)
	t.Cleanup(v.member.Stop)
	admin := v.as(t, "")
	for _, name := range []string{"root", "app"} {
		_, err := admin.UserAdd(t.Context(), name, secret)
		try(t, err)
		_, err = admin.RoleAdd(t.Context(), name)
		try(t, err)
		_, err = admin.UserGrantRole(t.Context(), name, name)
		try(t, err)
	}
	for _, keys := range []string{prefix + "/", "election/" + prefix + "/"} {
		_, err := admin.RoleGrantPermission(t.Context(), "app", keys, clientv3.GetPrefixRangeEnd(keys),
			clientv3.PermissionType(clientv3.PermReadWrite))
		try(t, err)
	}
	_, err = admin.AuthEnable(t.Context())
	try(t, err)
	return v
}

// as returns a client of this user.
func (v *vault) as(t *testing.T, user string) *clientv3.Client {
	t.Helper()
	pem, err := os.ReadFile(filepath.Join(v.dir, "fixtures", "client", "cert.pem"))
	try(t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	config := clientv3.Config{
		Endpoints: []string{strings.Replace(v.member.Endpoint(), "http:", "https:", 1)},
		TLS:       &tls.Config{RootCAs: roots},
		Logger:    zap.NewNop(),
		Username:  user,
	}
	if user != "" {
		config.Password = secret
	}
	client, err := clientv3.New(config)
	try(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func TestAUserOfThePrefixAloneLeadsAndSurvivesARestartOverTLS(t *testing.T) {
	t.Parallel()
	v := secured(t)
	const n = 2
	elections := make([]*discovery.Discovery, n)
	for i := range elections {
		d, err := discovery.Open(etcdengine.New(v.as(t, "app")), discovery.Config{
			Prefix: prefix, Timing: discovery.Timing{TTL: 10 * time.Second},
		})
		try(t, err)
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			try(t, d.Close(ctx))
		})
		elections[i] = d
	}
	first, err := elections[0].Election("sync").Campaign(t.Context())
	try(t, err)
	v.member.Stop() // it forgets whom it knew
	try(t, v.member.Start())
	next := make(chan error, 1)
	go func() {
		next <- elections[1].Election("sync").Lead(t.Context(), func(context.Context, election.Term) error { return nil })
	}()
	_ = first.Resign(t.Context()) // one call may be too few so soon; the record goes in any case
	select {
	case err := <-next:
		try(t, err)
	case <-time.After(patience):
		t.Fatal("nobody follows")
	}
}

func TestOneKeyThatTheUserMayNotWriteFailsNoOtherCreation(t *testing.T) {
	t.Parallel()
	s, err := etcdengine.New(secured(t).as(t, "app")).Open(t.Context(), engine.SessionOptions{TTL: time.Minute})
	try(t, err)
	var keys []string
	for _, key := range queues(100) {
		keys = append(keys, prefix+"/"+key)
	}
	keys[50] = "forbidden/x"
	for i, got := range createAll(t, s, keys) {
		if denied := i == 50; denied != (got.err != nil) {
			t.Errorf("%s: %v", keys[i], got.err)
		}
	}
	if err := s.Renew(t.Context()); err != nil {
		t.Error(err)
	}
}
