// Package engineurl opens engines by URL, so that a program can leave it to a flag or a setting which store it runs on:
//
//	ram:                                   a new store in this process's memory
//	etcd://host:2379,host2:2379/prefix     an etcd cluster
//
// A program that knows its store needs no URL: it calls the engine's own package, and builds without the others.
package engineurl

import (
	"context"
	"fmt"
	"strings"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/ramengine"
)

// Options are what a URL can't say, or should not. All of it concerns etcd alone.
type Options struct {
	// TLS makes connections secret, and checks the servers' certificates. It is implied by each of the files.
	TLS bool

	// CAFile holds the authorities, in PEM, that a server's certificate must come from; the default is those of the system.
	CAFile string

	// CertFile and KeyFile hold the client's certificate and its key, in PEM; either both or none. They are read again for
	// each connection, so that they can be renewed while the program runs.
	CertFile, KeyFile string

	// User is the name of the user; it may stand in the URL as well.
	User string

	// PasswordFile holds the user's password, with or without a newline at its end.
	PasswordFile string
}

// A Store is an engine that was opened by URL.
type Store struct {
	Engine engine.Engine

	// Prefix is what the URL says about the cluster's prefix, for singleton.Config or discovery.Config; empty for nothing.
	Prefix string

	close func() error
}

// Close lets go of what Open has opened. Whoever uses the engine must have stopped.
func (s *Store) Close() error { return s.close() }

// Open opens the engine that a URL names. It checks the URL and the options completely, and reads the files. It asks no
// server, with one exception: a user of etcd is authenticated, for which ctx counts, and 10 s at most.
//
// An error names what is wrong and its value. A password has no place in a URL, where others can read it; it is refused, and
// no error ever shows it. With nil the options are zero.
func Open(ctx context.Context, url string, o *Options) (*Store, error) {
	if o == nil {
		o = &Options{}
	}
	s, err := open(ctx, url, *o)
	if err != nil {
		return nil, fmt.Errorf("engine URL %q: %w", Redact(url), err)
	}
	return s, nil
}

func open(ctx context.Context, url string, o Options) (*Store, error) {
	scheme, rest, ok := strings.Cut(url, ":")
	if !ok {
		return nil, fmt.Errorf("scheme: missing; it begins with ram: or etcd:")
	}
	switch strings.ToLower(scheme) {
	case "ram":
		return openRAM(rest, o)
	case "etcd":
		return openEtcd(ctx, rest, o)
	}
	return nil, fmt.Errorf("scheme %q: unknown; known are ram and etcd", scheme)
}

func openRAM(rest string, o Options) (*Store, error) {
	if rest != "" {
		return nil, fmt.Errorf("path %q: a store in memory has none", Redact(rest))
	}
	if err := o.unused(); err != nil {
		return nil, err
	}
	return &Store{Engine: ramengine.New(), close: func() error { return nil }}, nil
}

// unused refuses options that the engine has no use for: whoever gave them means another one.
func (o Options) unused() error {
	for _, f := range []struct {
		name, value string
	}{
		{"CAFile", o.CAFile}, {"CertFile", o.CertFile}, {"KeyFile", o.KeyFile}, {"User", o.User}, {"PasswordFile", o.PasswordFile},
	} {
		if f.value != "" {
			return fmt.Errorf("%s %q: only etcd has it", f.name, f.value)
		}
	}
	if o.TLS {
		return fmt.Errorf("TLS: only etcd has it")
	}
	return nil
}

// Redact returns a URL without what may be a secret, the part before an '@', so that it can be shown. It takes any text, also
// a URL that is wrong.
func Redact(url string) string {
	at := strings.LastIndex(url, "@")
	if at < 0 {
		return url
	}
	scheme, _, ok := strings.Cut(url[:at], "://")
	if !ok {
		return "..." + url[at:]
	}
	return scheme + "://..." + url[at:]
}
