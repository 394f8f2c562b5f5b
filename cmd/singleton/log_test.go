package main

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestWarningsAreOneLineEachAndDoNotRepeat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		log := newLineLog(&out, "singleton: job: ")
		log.Info("session opened")
		for range 40 { // seconds
			log.Warn("session not opened", "err", errors.New("no\nway"), "wait", time.Second)
			time.Sleep(time.Second)
		}
		log.With("unit", "worker/job").Error("runner is stuck", "reason", errors.New("stopped"))
		want := "singleton: job: session not opened: no; way\n" + "singleton: job: session not opened: no; way\n" +
			"singleton: job: runner is stuck: stopped\n"
		if out.String() != want {
			t.Errorf("wrote\n%swant\n%s", &out, want)
		}
	})
}
