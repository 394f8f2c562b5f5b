// Package grpcsingleton serves gRPC as a singleton service, and follows one as a client.
//
// [Server] is a runner: the process that leads listens, with a fresh server for each term, and makes its address known for as
// long as the term lasts. [NewClient] returns a connection that stays with the service wherever it moves:
//
//	singleton.Service("ledger", grpcsingleton.Server(":0", func(s *grpc.Server) {
//		ledgerpb.RegisterLedgerServer(s, ledger)
//	}, grpcsingleton.ServerOptions{}))
//
//	conn, err := grpcsingleton.NewClient(d, "ledger", grpc.WithTransportCredentials(creds))
//	client := ledgerpb.NewLedgerClient(conn)
//	client.Post(ctx, entry, grpc.WaitForReady(true))
//
// # What happens to calls while the service moves
//
// While nobody serves, calls with [grpc.WaitForReady] wait, and others fail at once with code Unavailable. A planned stop lets
// calls that are under way end, and gRPC itself tells clients which calls were not taken up; they go to the next leader.
//
// A unary call that a server refused, because its term is over or a newer one is known, surely was not run. It is sent again,
// to the next term: at once where that is known, and where it is not only if the call waits for ready. A refused stream fails
// with code Unavailable, since part of it may have been sent.
//
// A call whose answer got lost may have been run. It is never repeated here.
//
// # The token
//
// Each call says in its metadata which term it is meant for, and each answer's header says by which term it was made, under the names in
// package fence, in lower case as gRPC has them. [Answered] reads the latter.
package grpcsingleton
