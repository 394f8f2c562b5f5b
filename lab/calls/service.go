package main

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/singleton-go/singleton"
)

// The services that are called: one for each protocol, with one method.
const (
	prefix      = "/calls"
	httpService = "calls-http"
	grpcService = "calls-grpc"
	grpcMethod  = "/lab.Calls/Do"
)

// A doer has the effect that a call is for. It is told the call's key, under a term.
type doer func(ctx context.Context, key string, term singleton.Term) error

// ServeHTTP answers with the token under which the effect was had.
func (do doer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token, err := do.call(r.Context(), strings.TrimPrefix(r.URL.Path, "/"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = io.WriteString(w, token)
}

// register is the same for gRPC, as generated code would describe it.
func (do doer) register(s *grpc.Server) {
	handle := func(ctx context.Context, in any) (any, error) {
		token, err := do.call(ctx, in.(*wrapperspb.StringValue).GetValue())
		return wrapperspb.String(token), err
	}
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: strings.Split(grpcMethod, "/")[1],
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Do", Handler: func(_ any, ctx context.Context, decode func(any) error,
			intercept grpc.UnaryServerInterceptor,
		) (any, error) {
			in := &wrapperspb.StringValue{}
			if err := decode(in); err != nil {
				return nil, err
			}
			return intercept(ctx, in, &grpc.UnaryServerInfo{FullMethod: grpcMethod}, handle)
		}}},
	}, do)
}

func (do doer) call(ctx context.Context, key string) (string, error) {
	term, _ := singleton.TermFrom(ctx)
	if err := do(ctx, key, term); err != nil {
		return "", err
	}
	return strconv.FormatUint(term.Token(), 10), nil
}
