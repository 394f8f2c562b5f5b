package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/engineurl"
)

// engineVariable is read where --engine is not given.
const engineVariable = "SINGLETON_ENGINE"

// defaultPrefix is that of clusters whose URL names none.
const defaultPrefix = "/singleton"

// defaultEngine is one fixed directory for each user. It is the same for a shell, a cron job and a service, and so depends on
// nothing that differs between them: not on HOME, TMPDIR or XDG_RUNTIME_DIR, and not on a session that logs in and out.
// A home directory may be on a network, where locks don't hold; /tmp is emptied after ten days, /var/tmp after thirty, and
// what is in use is kept in both. Only its owner may enter the directory.
func defaultEngine() string { return "file:///var/tmp/singleton-" + strconv.Itoa(os.Getuid()) }

// A storeChoice is which cluster on which store a command line means.
type storeChoice struct {
	url     string
	prefix  string
	options engineurl.Options
}

// storeFlags adds the flags by which a command is told its store.
func storeFlags(cmd *cobra.Command) *storeChoice {
	c := &storeChoice{}
	f := cmd.Flags()
	f.StringVar(&c.url, "engine", "", "`URL` of the store: file:///DIR, etcd://HOST:2379,HOST:2379/PREFIX or ram:\n"+
		"(default $"+engineVariable+", or else "+defaultEngine()+")")
	f.StringVar(&c.prefix, "prefix", "", "what tells this cluster from others on the same store\n"+
		"(default what the URL says, or else "+defaultPrefix+")")
	f.BoolVar(&c.options.TLS, "tls", false, "connect to etcd by TLS; implied by the files")
	f.StringVar(&c.options.CAFile, "cacert", "", "`FILE` with the authorities of etcd's certificate")
	f.StringVar(&c.options.CertFile, "cert", "", "`FILE` with the certificate for etcd")
	f.StringVar(&c.options.KeyFile, "key", "", "`FILE` with its key")
	f.StringVar(&c.options.User, "user", "", "user `NAME` for etcd")
	f.StringVar(&c.options.PasswordFile, "password-file", "", "`FILE` with the user's password for etcd")
	for _, name := range []string{"cacert", "cert", "key", "password-file"} {
		_ = cmd.MarkFlagFilename(name)
	}
	return c
}

// engineURL is the URL that counts, and where it comes from.
func (c *storeChoice) engineURL() (url, from string) {
	if c.url != "" {
		return c.url, "--engine"
	}
	if url := os.Getenv(engineVariable); url != "" {
		return url, "$" + engineVariable
	}
	return defaultEngine(), "the default"
}

// open opens the store, and fills in the prefix that counts, there and here. A wrong URL or option is a wrong usage,
// and a store that can't be used is not.
func (c *storeChoice) open(ctx context.Context, cmd *cobra.Command) (*engineurl.Store, error) {
	url, from := c.engineURL()
	s, err := engineurl.Open(ctx, url, &c.options)
	if err != nil {
		err = fmt.Errorf("%w (from %s)", err, from)
		if errors.Is(err, engineurl.ErrUnusable) {
			return nil, err
		}
		return nil, wrongUsage(cmd, err)
	}
	if c.prefix != "" && s.Prefix != "" && c.prefix != s.Prefix {
		return nil, errors.Join(wrongUsage(cmd, fmt.Errorf("prefix %q: the engine's URL says %q", c.prefix, s.Prefix)), s.Close())
	}
	c.prefix = cmp.Or(c.prefix, s.Prefix, defaultPrefix)
	s.Prefix = c.prefix
	return s, nil
}

// observe opens the cluster as a mere observer, calls fn, and closes it.
func (c *storeChoice) observe(cmd *cobra.Command, fn func(ctx context.Context, d *discovery.Discovery) error) error {
	ctx := cmd.Context()
	s, err := c.open(ctx, cmd)
	if err != nil {
		return err
	}
	defer s.Close()
	said := &lastWords{}
	d, err := discovery.Open(s.Engine, discovery.Config{
		Prefix: s.Prefix, Observer: true, Logger: slog.New(said),
	})
	if err != nil {
		return wrongUsage(cmd, err)
	}
	err = fn(ctx, d)
	if silent, ok := errors.AsType[*silenceError](err); ok {
		url, from := c.engineURL()
		err = fmt.Errorf("%w from %s (%s)%s; 'singleton env' tells more", silent, engineurl.Redact(url), from, said)
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.Timing().CallTimeout)
	defer cancel()
	_ = d.Close(closing) // what an observer leaves behind expires by itself
	return err
}

// lastWords is a log that remembers the last error, which says why the store does not answer.
type lastWords struct{ err atomic.Pointer[string] }

func (l *lastWords) String() string {
	if text := l.err.Load(); text != nil {
		return ": " + *text
	}
	return ""
}

// Enabled implements [slog.Handler].
func (*lastWords) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

// Handle implements [slog.Handler].
func (l *lastWords) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "err" {
			l.err.Store(new(a.Value.String()))
		}
		return true
	})
	return nil
}

// WithAttrs implements [slog.Handler].
func (l *lastWords) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup implements [slog.Handler].
func (l *lastWords) WithGroup(string) slog.Handler { return l }

// A silenceError is the cause with which a command gives up waiting.
type silenceError struct{ after time.Duration }

func (n *silenceError) Error() string { return fmt.Sprintf("no answer within %v", n.after) }

// within bounds how long fn waits.
func within(ctx context.Context, d time.Duration, fn func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, d, &silenceError{d})
	defer cancel()
	return fn(ctx)
}
