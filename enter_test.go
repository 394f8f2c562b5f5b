package singleton_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/singleton-go/singleton"
	"github.com/singleton-go/singleton/engine"
	"github.com/singleton-go/singleton/engine/ramengine"
)

// What a guard does is tested with package guard, in processes whose main begins with guard.Main. This one has none.
func TestGuardIsRefusedWhereItCannotWork(t *testing.T) {
	t.Parallel()
	type plain struct{ engine.Engine }
	c := singleton.Config{Prefix: "/t", Guard: true}
	if _, err := singleton.New(ramengine.New(), c); err == nil || !strings.Contains(err.Error(), "guard.Main was not called") {
		t.Errorf("without guard.Main: %v", err)
	}
	if _, err := singleton.New(plain{ramengine.New()}, c); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("on an engine that can't end sessions: %v", err)
	}
}
