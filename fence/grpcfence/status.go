package grpcfence

import (
	"context"
	"errors"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/singleton-go/singleton/fence"
)

// What an errdetails.ErrorInfo in the status of a refusal says. Its metadata are "resource", "election", "token" and "newest".
const (
	Reason = "STALE_TERM"
	Domain = "github.com/singleton-go/singleton/fence"
)

// A refusal is a StaleError that travels as a status.
type refusal struct {
	*fence.StaleError
	status *status.Status
}

func (r *refusal) GRPCStatus() *status.Status { return r.status }
func (r *refusal) Unwrap() error              { return r.StaleError }

// refuse makes a status of a StaleError.
func refuse(stale *fence.StaleError) error {
	s, err := status.New(codes.FailedPrecondition, stale.Error()).WithDetails(&errdetails.ErrorInfo{
		Reason: Reason, Domain: Domain, Metadata: map[string]string{
			"resource": stale.Resource,
			"election": stale.Election,
			"token":    fence.FormatToken(stale.Token),
			"newest":   fence.FormatToken(stale.Newest),
		},
	})
	if err != nil { // of names that are no text; those of terms are
		s = status.New(codes.FailedPrecondition, stale.Error())
	}
	return &refusal{stale, s}
}

// refused makes a StaleError of its status again, and leaves all other errors as they are.
func refused(err error) error {
	s, ok := status.FromError(err)
	if !ok || s.Code() != codes.FailedPrecondition {
		return err
	}
	for _, detail := range s.Details() {
		info, ok := detail.(*errdetails.ErrorInfo)
		if !ok || info.GetReason() != Reason || info.GetDomain() != Domain {
			continue
		}
		token, err1 := fence.ParseToken(info.GetMetadata()["token"])
		newest, err2 := fence.ParseToken(info.GetMetadata()["newest"])
		if err1 != nil || err2 != nil {
			return err
		}
		return &refusal{&fence.StaleError{
			Resource: info.GetMetadata()["resource"], Election: info.GetMetadata()["election"], Token: token, Newest: newest,
		}, s}
	}
	return err
}

// malformed makes a status of what is wrong with a call's metadata.
func malformed(err error) error {
	code := codes.InvalidArgument
	if errors.Is(err, errForbidden) {
		code = codes.PermissionDenied
	}
	return status.Error(code, err.Error())
}

// gaveUp makes a status of a wait that ended with the call.
func gaveUp(ctx context.Context, err error) error {
	return status.Error(status.FromContextError(ctx.Err()).Code(), err.Error())
}

// explain gives the newer term as the reason where a handler that was interrupted by it says only that it was cancelled.
func explain(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	if !errors.Is(cause, fence.ErrStale) {
		return err
	}
	if errors.Is(err, context.Canceled) || status.Code(err) == codes.Canceled {
		return cause
	}
	return err
}
