// Package httpsingleton serves HTTP as a singleton service, and follows one as a client, with net/http alone.
//
// [Server] is a runner: the process that leads listens, and makes its address known for as long as its term lasts. [Follow]
// returns an [http.RoundTripper] that sends each request to where the service is. [Forward] is a handler for every process behind
// a plain load balancer: it serves where the service runs, and passes requests on where it doesn't.
//
//	process 1   leads    [Server] ◄────────┐
//	process 2   waits    [Forward] ────────┤ HTTP, with the token of the term that it is meant for
//	a client             [Follow]  ────────┘
//
// # What happens to requests while the service moves
//
// A request that surely was not run is sent again, to wherever the service is then: when no connection could be made, and when the
// server refused it because its term is over, because a newer one is known, or because the address belongs to another
// service by now. While nobody serves, requests wait, in bounded number and size ([Options]), or fail at once.
//
// A request whose answer got lost may have been run. It is never repeated here: give it an idempotency key, or let the server's
// resource check the fencing token, if the caller wants to repeat it.
//
// # The token
//
// Each request says which term it is meant for, and each answer by which term it was made ([fence.ElectionHeader] and
// [fence.TokenHeader]). A server that is told of a term newer than its own refuses the request, and asks the
// store at once whether it is leader still. Only the store ends a term: whoever can send requests can name any token.
package httpsingleton

// HopsHeader counts how often a request was passed on by [Forward].
const HopsHeader = "Singleton-Hops"
