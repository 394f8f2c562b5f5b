package fence

import (
	"context"
	"fmt"
	"log/slog"
)

// A Reset says which highest token a resource shall forget. It is for the day after the store of the elections was replaced or
// restored from a backup, when new terms have lower tokens than the resource has seen.
//
// A reset gives up the protection against every older term that may still be about. So it names one resource and one election, and
// belongs into a person's hands: stop all candidates of the election, reset, start them again.
type Reset struct {
	// Resource and Election say what to forget. There is no way to say all.
	Resource, Election string

	// Reason is for those who read the log later. It is required.
	Reason string

	// Logger gets the line that says what was forgotten; nil means the default logger.
	Logger *slog.Logger
}

// Validate refuses, with [ErrInvalid], a reset without a resource or a reason, and one of an election that can't exist.
func (r Reset) Validate() error {
	if r.Reason == "" {
		return fmt.Errorf("%w: reset of resource %q: no reason given", ErrInvalid, r.Resource)
	}
	if r.Resource == "" {
		return fmt.Errorf("%w: reset: no resource named", ErrInvalid)
	}
	return checkName("election", r.Election)
}

// Log writes the warning that every part leaves after a reset. newest is what was forgotten; 0 means that there was nothing.
func (r Reset) Log(ctx context.Context, newest uint64) {
	logger := r.Logger
	if logger == nil {
		logger = slog.Default()
	}
	logger.WarnContext(ctx, "fence reset: older terms are accepted again",
		"resource", r.Resource, "election", r.Election, "newest", newest, "reason", r.Reason)
}
