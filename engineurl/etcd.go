package engineurl

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/singleton-go/singleton/engine/etcdengine"
)

const (
	etcdPort = "2379"

	// authLimit bounds the one request that a client makes before it is used.
	authLimit = 10 * time.Second

	// Keepalives of the connection find a peer that has gone without a word; the engine's own timeouts do not rest on them.
	keepAlive        = 10 * time.Second
	keepAliveTimeout = 5 * time.Second

	// A fixed window of flow control, in bytes, spares the pings that would find it out.
	window = 1 << 20
)

// openEtcd makes a client and an engine on it.
func openEtcd(ctx context.Context, rest string, o Options) (*Store, error) {
	u, err := parseEtcd(rest)
	if err != nil {
		return nil, err
	}
	if u.user != "" && o.User != "" && u.user != o.User {
		return nil, fmt.Errorf("user %q: the options say User %q", u.user, o.User)
	}
	if u.user != "" {
		o.User = u.user
	}
	config, err := o.config(u.hosts)
	if err != nil {
		return nil, err
	}
	client, err := dial(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return &Store{Engine: etcdengine.New(client), Prefix: u.prefix, close: client.Close}, nil
}

// dial makes the client. Its context is its own, so that it outlives ctx; until it is made, ctx ends it.
func dial(ctx context.Context, config clientv3.Config) (*clientv3.Client, error) {
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	config.Context = own
	stop := context.AfterFunc(ctx, cancel)
	client, err := clientv3.New(config)
	if stop() && err == nil {
		return client, nil
	}
	cancel()
	if client != nil {
		_ = client.Close()
	}
	return nil, errors.Join(err, context.Cause(ctx))
}

// An etcdURL is what stands behind "etcd:".
type etcdURL struct {
	user   string
	hosts  []string // host and port
	prefix string
}

func parseEtcd(rest string) (u etcdURL, err error) {
	rest, ok := strings.CutPrefix(rest, "//")
	if !ok {
		return u, fmt.Errorf("hosts: missing; they follow etcd://")
	}
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		var secret bool
		if u.user, _, secret = strings.Cut(rest[:at], ":"); secret {
			return u, fmt.Errorf("password: it has no place in a URL, where others can read it; put it into a file and name that")
		}
		rest = rest[at+1:]
	}
	hosts, prefix, hasPrefix := strings.Cut(rest, "/")
	if i := strings.IndexAny(rest, "?#"); i >= 0 {
		return u, fmt.Errorf("%q: what follows %q has no meaning", rest[i:], rest[i])
	}
	if prefix = strings.TrimRight(prefix, "/"); hasPrefix && prefix != "" {
		u.prefix = "/" + prefix
	}
	for host := range strings.SplitSeq(hosts, ",") {
		address, err := hostPort(host)
		if err != nil {
			return u, err
		}
		u.hosts = append(u.hosts, address)
	}
	return u, nil
}

// hostPort adds the port that etcd has by default.
func hostPort(s string) (string, error) {
	bare := s
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		bare = s[1 : len(s)-1]
	}
	if bare != s || !strings.Contains(s, ":") {
		s = net.JoinHostPort(bare, etcdPort)
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return "", fmt.Errorf("host %q: %w", s, err)
	}
	if host == "" || strings.ContainsAny(host, " \t") {
		return "", fmt.Errorf("host %q: empty, or with a space", host)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", fmt.Errorf("host %s: port %q: must be 1 to 65535", host, port)
	}
	return net.JoinHostPort(host, port), nil
}

// config reads the files. Nothing that the client library would print goes anywhere: errors come back from the calls.
func (o Options) config(hosts []string) (clientv3.Config, error) {
	c := clientv3.Config{
		DialTimeout: authLimit, DialKeepAliveTime: keepAlive, DialKeepAliveTimeout: keepAliveTimeout, Logger: zap.NewNop(),
		DialOptions: []grpc.DialOption{grpc.WithInitialWindowSize(window), grpc.WithInitialConnWindowSize(window)},
	}
	scheme := "http://"
	if o.TLS || o.CAFile != "" || o.CertFile != "" || o.KeyFile != "" {
		config, err := o.tls()
		if err != nil {
			return c, err
		}
		scheme, c.TLS = "https://", config
	}
	for _, h := range hosts {
		c.Endpoints = append(c.Endpoints, scheme+h)
	}
	var err error
	c.Username, c.Password, err = o.credentials()
	return c, err
}

func (o Options) tls() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("CAFile: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("CAFile %q: has no certificate in PEM", o.CAFile)
		}
	}
	if o.CertFile == "" && o.KeyFile == "" {
		return c, nil
	}
	if o.CertFile == "" || o.KeyFile == "" {
		return nil, fmt.Errorf("CertFile %q, KeyFile %q: give both, or none", o.CertFile, o.KeyFile)
	}
	load := func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("CertFile %q, KeyFile %q: %w", o.CertFile, o.KeyFile, err)
		}
		return &pair, nil
	}
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return load() }
	_, err := load()
	return c, err
}

func (o Options) credentials() (user, password string, err error) {
	if o.User == "" && o.PasswordFile == "" {
		return "", "", nil
	}
	if o.User == "" || o.PasswordFile == "" {
		return "", "", fmt.Errorf("User %q, PasswordFile %q: give both, or none", o.User, o.PasswordFile)
	}
	text, err := os.ReadFile(o.PasswordFile)
	if err != nil {
		return "", "", fmt.Errorf("PasswordFile: %w", err)
	}
	if password = strings.TrimRight(string(text), "\r\n"); password == "" {
		return "", "", fmt.Errorf("PasswordFile %q: empty", o.PasswordFile)
	}
	return o.User, password, nil
}
