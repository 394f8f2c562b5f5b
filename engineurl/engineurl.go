// Package engineurl opens engines by URL, so that a program can leave it to a flag or a setting which store it runs on:
//
//	file:///dir                            a directory that the processes of one machine share
//	etcd://host:2379,host2:2379/prefix     an etcd cluster
//	ram:                                   a new store in this process's memory
//
// A program that knows its store needs no URL: it calls the engine's own package, and builds without the others.
package engineurl

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/fileengine"
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
// no error ever shows it. A store that is named rightly and can't be used is [ErrUnusable]. With nil the options are zero.
func Open(ctx context.Context, rawURL string, o *Options) (*Store, error) {
	if o == nil {
		o = &Options{}
	}
	s, err := open(ctx, rawURL, *o)
	if err != nil {
		return nil, fmt.Errorf("engine URL %q: %w", Redact(rawURL), err)
	}
	return s, nil
}

// ErrUnusable says that the URL is right, and what it names can't be a store as it is.
var ErrUnusable = errors.New("store can't be used")

// unusable is an [ErrUnusable] that says no more than why.
type unusable struct{ error }

func (u *unusable) Unwrap() error   { return u.error }
func (*unusable) Is(err error) bool { return err == ErrUnusable }

func open(ctx context.Context, rawURL string, o Options) (*Store, error) {
	scheme, rest, ok := strings.Cut(rawURL, ":")
	if !ok {
		return nil, fmt.Errorf("scheme: missing; it begins with file:, etcd: or ram:")
	}
	switch strings.ToLower(scheme) {
	case "file":
		return openFile(rest, o)
	case "etcd":
		return openEtcd(ctx, rest, o)
	case "ram":
		return openRAM(rest, o)
	}
	return nil, fmt.Errorf("scheme %q: unknown; known are file, etcd and ram", scheme)
}

// openFile opens a directory, whose path is written as in any URL: what stands for itself nowhere else is escaped by %.
func openFile(rest string, o Options) (*Store, error) {
	if err := o.unused(); err != nil {
		return nil, err
	}
	escaped, ok := strings.CutPrefix(rest, "//")
	if !ok {
		escaped = rest
	}
	dir, err := url.PathUnescape(escaped)
	if err != nil {
		return nil, fmt.Errorf("path: %w", err)
	}
	switch {
	case !filepath.IsAbs(dir):
		return nil, fmt.Errorf("path %q: must begin at the root, as in file:///var/tmp/x", dir)
	case strings.ContainsAny(escaped, "?#"):
		return nil, fmt.Errorf("path %q: has ? or #, which must be escaped", escaped)
	}
	e, err := fileengine.New(dir)
	if err != nil {
		return nil, &unusable{err}
	}
	return &Store{Engine: e, close: func() error { return nil }}, nil
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
func Redact(rawURL string) string {
	at := strings.LastIndex(rawURL, "@")
	if at < 0 || strings.HasPrefix(rawURL, "file:///") {
		return rawURL
	}
	scheme, _, ok := strings.Cut(rawURL[:at], "://")
	if !ok {
		return "..." + rawURL[at:]
	}
	return scheme + "://..." + rawURL[at:]
}
