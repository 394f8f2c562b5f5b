package engine

import (
	"context"
	"errors"
	"fmt"
)

var (
	// ErrLost says that the session has ended, or that this can no longer be ruled out.
	ErrLost = errors.New("session lost")

	// ErrRewound says that the store is not the one that it was: replaced by another, or back at an older state.
	ErrRewound = errors.New("store was replaced or restored from an older state")

	// ErrExists says that the key already has a record.
	ErrExists = errors.New("record exists")

	// ErrGone says that exactly this record is no longer there.
	ErrGone = errors.New("record is gone")
)

// End ends a session that any process opened, where the engine can do that, and else returns [errors.ErrUnsupported].
func End(ctx context.Context, e Engine, sessionID string) error {
	ender, ok := e.(Ender)
	if !ok {
		return fmt.Errorf("end session %s: %T: %w", sessionID, e, errors.ErrUnsupported)
	}
	return ender.End(ctx, sessionID)
}
