package engineurl_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/etcdengine"
	"github.com/singleton-go/singleton/engine/fileengine"
	"github.com/singleton-go/singleton/engine/ramengine"
	"github.com/singleton-go/singleton/engineurl"
)

func TestEachSchemeOpensItsEngine(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "store")
	for url, want := range map[string]struct {
		engine engine.Engine
		prefix string
	}{
		"ram:":                              {&ramengine.Engine{}, ""},
		"file://" + dir + "/a@b%20c":        {&fileengine.Engine{}, ""},
		"file:" + dir:                       {&fileengine.Engine{}, ""},
		"etcd://localhost":                  {&etcdengine.Engine{}, ""},
		"etcd://localhost/":                 {&etcdengine.Engine{}, ""},
		"etcd://a:2379,b:2380,[::1]/my/app": {&etcdengine.Engine{}, "/my/app"},
		"ETCD://[::1]:2379/my-app/":         {&etcdengine.Engine{}, "/my-app"},
	} {
		s, err := engineurl.Open(t.Context(), url, nil)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if got, wanted := typeOf(s.Engine), typeOf(want.engine); got != wanted || s.Prefix != want.prefix {
			t.Errorf("%s: %s, prefix %q; want %s, prefix %q", url, got, s.Prefix, wanted, want.prefix)
		}
		if err := s.Close(); err != nil {
			t.Errorf("%s: close: %v", url, err)
		}
	}
}

func typeOf(e engine.Engine) string {
	switch e.(type) {
	case *ramengine.Engine:
		return "ram"
	case *etcdengine.Engine:
		return "etcd"
	case *fileengine.Engine:
		return "file"
	}
	return "unknown"
}

func TestEachRAMStoreIsItsOwn(t *testing.T) {
	t.Parallel()
	a, err := engineurl.Open(t.Context(), "ram:", nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := engineurl.Open(t.Context(), "ram:", nil)
	if err != nil {
		t.Fatal(err)
	}
	if a.Engine == b.Engine {
		t.Error("two stores in memory are one")
	}
}

func TestWhatIsWrongIsNamed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		url  string
		o    engineurl.Options
		want string
	}{
		{url: "", want: `engine URL "": scheme: missing`},
		{url: "localhost", want: "scheme: missing"},
		{url: "redis://localhost", want: `scheme "redis": unknown`},
		{url: "ram:store", want: `path "store"`},
		{url: "ram:", o: engineurl.Options{TLS: true}, want: "TLS: only etcd"},
		{url: "ram:", o: engineurl.Options{User: "root"}, want: `User "root": only etcd`},
		{url: "file:", want: `path "": must begin at the root`},
		{url: "file://host/dir", want: `path "host/dir": must begin at the root`},
		{url: "file:///a%zz", want: `invalid URL escape "%zz"`},
		{url: "file:///a?b", want: `path "/a?b": has ? or #`},
		{url: "file:///dev/null", want: "fileengine: directory /dev/null"},
		{url: "file:///tmp", o: engineurl.Options{CAFile: "x"}, want: `CAFile "x": only etcd`},
		{url: "etcd:localhost", want: "hosts: missing"},
		{url: "etcd://", want: `host "": empty`},
		{url: "etcd://a,,b", want: `host "": empty`},
		{url: "etcd://:2379", want: `host "": empty`},
		{url: "etcd://a b", want: `host "a b"`},
		{url: "etcd://a:http", want: `host a: port "http"`},
		{url: "etcd://a:0", want: `host a: port "0"`},
		{url: "etcd://a:65536", want: `host a: port "65536"`},
		{url: "etcd://::1", want: `host "::1"`},
		{url: "etcd://a/p?x=1", want: `"?x=1"`},
		{url: "etcd://a#p", want: `"#p"`},
		{url: "etcd://a", o: engineurl.Options{CAFile: "/nowhere"}, want: "CAFile: open /nowhere"},
		{url: "etcd://a", o: engineurl.Options{CertFile: "x.pem"}, want: `CertFile "x.pem", KeyFile "": give both`},
		{url: "etcd://a", o: engineurl.Options{CertFile: "x", KeyFile: "y"}, want: `CertFile "x", KeyFile "y"`},
		{url: "etcd://a", o: engineurl.Options{User: "root"}, want: `User "root", PasswordFile "": give both`},
		{url: "etcd://a", o: engineurl.Options{PasswordFile: "x"}, want: `User "", PasswordFile "x": give both`},
		{url: "etcd://root@a", o: engineurl.Options{User: "me"}, want: `user "root": the options say User "me"`},
		{url: "etcd://root@a", o: engineurl.Options{PasswordFile: "/nowhere"}, want: "PasswordFile: open /nowhere"},
		{url: "etcd://root@a", o: engineurl.Options{PasswordFile: os.DevNull}, want: "PasswordFile \"" + os.DevNull + "\": empty"},
		{url: "etcd://a", o: engineurl.Options{CAFile: os.DevNull}, want: "has no certificate"},
	} {
		s, err := engineurl.Open(t.Context(), c.url, &c.o)
		if err == nil {
			t.Errorf("%q with %+v: accepted", c.url, c.o)
			_ = s.Close()
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q with %+v: %v; want %s", c.url, c.o, err, c.want)
		}
	}
}

func TestAPasswordInTheURLIsRefusedAndNeverShown(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"etcd://root:s3cret@localhost:2379/app", "etcd://root:s3cret@", "etcd://:s3cret@a", "etcd:root:s3cret@a", "etcd://root:s3c/s3cret@a",
		"etcd://root:s3cret@b@a", "redis://root:s3cret@a", "root:s3cret@a", "ram:root:s3cret@a", "etcd://root:s3cret@a?x", "://s3cret@",
	} {
		_, err := engineurl.Open(t.Context(), url, nil)
		if err == nil {
			t.Errorf("%s: accepted", url)
		} else if strings.Contains(err.Error(), "s3c") {
			t.Errorf("%s: the error shows the password: %v", url, err)
		}
	}
}

func TestAuthenticationEndsWithItsContext(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	// Nobody listens on port 1; without its context the attempt lasts 10 s.
	begun := time.Now()
	_, err := engineurl.Open(ctx, "etcd://root@127.0.0.1:1", &engineurl.Options{PasswordFile: file})
	if !errors.Is(err, why) {
		t.Errorf("open with an ended context: %v", err)
	}
	if d := time.Since(begun); d > 8*time.Second {
		t.Errorf("open with an ended context took %v", d)
	}
	if err != nil && strings.Contains(err.Error(), "s3cret") {
		t.Errorf("the error shows the password: %v", err)
	}
}
