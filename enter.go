package singleton

import (
	"context"

	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/guard"
)

// enter begins to take part in the cluster. The guard is there before the first session. It needs mu.
func (rt *Runtime) enter(ctx context.Context) (err error) {
	eng := rt.engine
	if rt.config.Guard {
		if rt.guard, err = guard.Start(ctx, rt.log); err != nil {
			return err
		}
		eng = rt.guard.Protect(eng)
	}
	rt.d, err = discovery.Open(eng, discovery.Config{
		Prefix: rt.config.Prefix, Node: rt.config.Node, Version: rt.config.Version, Timing: rt.config.Timing,
		Logger: rt.config.Logger,
	})
	if err != nil && rt.guard != nil {
		rt.guard.Stop(ctx)
	}
	return err
}

// leave ends what enter began. A session that could not be closed keeps its guard until this process is gone.
func (rt *Runtime) leave(ctx context.Context) error {
	err := rt.d.Close(ctx)
	if rt.guard != nil {
		rt.guard.Stop(ctx)
	}
	return err
}
