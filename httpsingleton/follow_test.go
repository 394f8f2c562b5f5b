package httpsingleton_test

import (
	"errors"
	"net/http"
	"sync"
	"testing"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/engine/ramengine"
	"github.com/singleton-go/singleton/httpsingleton"
)

func TestRequestsFollowTheServiceAndNoneIsLostInAPlannedHandOver(t *testing.T) {
	t.Parallel()
	store := ramengine.New()
	names := []string{"a", "b", "c"}
	var all []*process
	for i, name := range names {
		all = append(all, join(t, store, name, named(name), httpsingleton.ServerOptions{}))
		all[i].awaitQueued()
	}
	tr := follow(t, observe(t, store), httpsingleton.Options{})
	stop := make(chan struct{})
	var load sync.WaitGroup
	for range 8 {
		load.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if status, _, err := send(t, tr, "hello"); err != nil || status != http.StatusOK {
					t.Errorf("status %d, %v", status, err)
					return
				}
			}
		})
	}
	for i := range all {
		all[i].awaitState(singleton.Ready)
		await(t, "an answer of "+names[i], func() bool {
			_, text, err := send(t, tr, "x")
			return err == nil && text == names[i]+" x"
		})
		if i < len(all)-1 {
			all[i].stop()
		}
	}
	close(stop)
	load.Wait()
	if s := tr.Stats(); s.Waiting != 0 || s.WaitingBytes != 0 {
		t.Errorf("%+v: nobody waits any more", s)
	}
}

func TestRequestsWaitUntilSomebodyServes(t *testing.T) {
	t.Parallel()
	store := ramengine.New()
	tr := follow(t, observe(t, store), httpsingleton.Options{})
	answer := make(chan string)
	go func() {
		_, text, err := send(t, tr, "x")
		answer <- text
		if err != nil {
			t.Error(err)
		}
	}()
	await(t, "a request that waits", func() bool { return tr.Stats().Waiting == 1 && tr.Stats().WaitingBytes == 1 })
	join(t, store, "a", named("a"), httpsingleton.ServerOptions{})
	if text := <-answer; text != "a x" {
		t.Errorf("answer %q", text)
	}
}

func TestRequestsBeyondTheLimitFailAtOnce(t *testing.T) {
	t.Parallel()
	d := observe(t, ramengine.New())
	for _, c := range []struct {
		name    string
		options httpsingleton.Options
		want    error
	}{
		{"count", httpsingleton.Options{MaxWaiting: 1}, httpsingleton.ErrTooMany},
		{"bytes", httpsingleton.Options{MaxWaitingBytes: 7}, httpsingleton.ErrTooMany},
		{"none", httpsingleton.Options{FailFast: true}, httpsingleton.ErrNobody},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			tr := follow(t, d, c.options)
			var first sync.WaitGroup
			first.Go(func() { _, _, _ = send(t, tr, "1234") })
			if !c.options.FailFast {
				await(t, "a request that waits", func() bool { return tr.Stats().Waiting == 1 })
			}
			if _, _, err := send(t, tr, "5678"); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
			tr.Close() // which fails the first
			first.Wait()
			if s := tr.Stats(); s.Waiting != 0 || s.Rejected+s.FailedFast == 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestBadOptionsAreRefused(t *testing.T) {
	t.Parallel()
	d := observe(t, ramengine.New())
	for _, o := range []httpsingleton.Options{{MaxWait: -1}, {MaxWaiting: -1}, {MaxWaitingBytes: -1}} {
		if tr, err := httpsingleton.Follow(d, "ledger", o); err == nil {
			tr.Close()
			t.Errorf("%+v: no error", o)
		}
	}
}
