package etcdengine

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
)

// failure says what could not be done. Where ctx has ended that is the reason, whatever the connection made of it.
func failure(ctx context.Context, what string, err error) error {
	err = clientv3.ContextError(ctx, err)
	if ended := ctx.Err(); ended != nil && !errors.Is(err, ended) {
		return fmt.Errorf("%s: %w: %w", what, ended, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// isRefusal reports whether the server found fault with a request itself, and so did nothing of it.
func isRefusal(err error) bool {
	var refused rpctypes.EtcdError
	if !errors.As(err, &refused) {
		return false
	}
	return refused.Code() == codes.InvalidArgument || refused.Code() == codes.PermissionDenied
}

func isLeaseGone(err error) bool {
	return errors.Is(rpctypes.Error(err), rpctypes.ErrLeaseNotFound)
}
