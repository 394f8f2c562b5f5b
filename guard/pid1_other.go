//go:build !linux

package guard

import (
	"context"

	"github.com/singleton-go/singleton/engine"
)

// ownInit does nothing: containers are Linux's.
func ownInit(func(ctx context.Context) (engine.Engine, error)) {}
