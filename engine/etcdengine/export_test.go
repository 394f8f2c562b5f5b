package etcdengine

import (
	"context"
	"time"
)

// Insist is insist for a call that returns nothing else.
func Insist(ctx context.Context, patience time.Duration, call func(context.Context) error) error {
	_, err := insist(ctx, patience, func(ctx context.Context) (struct{}, error) { return struct{}{}, call(ctx) })
	return err
}
