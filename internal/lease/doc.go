// Package lease keeps one process's session alive and mirrors the elections of its cluster. The trust window lives here, and
// nowhere else.
//
// A store forgets a session one TTL after it received the last renewal. This process can't see when that was, but it knows
// when it sent the request, on its own monotonic clock, and that was earlier. Counting from there, with an allowance for
// clocks that run at different rates, it stops trusting its session before the store can give a place to another:
//
//	renewal sent                                                              store may forget the session
//	|                                                                                                    |
//	|------------------------ TTL x (1 - drift) ------------------------------|                          |
//	|                                                       |-- drain --|margin|                         |
//	|------------ work may run ---------------------------->|           |      |                         |
//	                                                     stop line    window closes                 another leads
//
// At the stop line every hold ends, by a local timer and without any answer of the store. The runner then has one drain to
// return. The same arithmetic applies to the watch: it counts from the request of the last progress mark, so that a process
// whose view of the queue stands still does not go on for ever when its record was removed by force. The older of the two
// rules. With the defaults (TTL 10 s, drift 0.1, drain 2.5 s, margin 0.5 s) the stop line is 6 s after the request.
//
// One failed renewal ends nothing: it is tried again until the stop line. A renewal that succeeds after it revives no hold,
// but it keeps the records in the store, and so protects the drain of runners that are still on their way out.
//
// # Claims
//
// What this process wants in the store is a set of claims; what the store holds of it is mirrored or was told by replies.
// One loop brings the second in line with the first: it creates what is missing, deletes what nobody wants (also records
// whose creation timed out and landed later), and starts afresh in each new session. A claim that has been held is bound to
// its record: when that is lost, the claim is never renewed, and its owner leaves it when its runner has returned. The next
// claim on the same place begins when nothing of this one is left in the store.
//
// All of it is behind one mutex, which is held for moments only: neither calls of the store, nor callbacks, nor logging happen
// under it, since the stop line needs it too.
package lease
