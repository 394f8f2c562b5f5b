// Package schedule has runners that call a function by the clock.
//
// What runs under a schedule runs under the unit's term: only while this process leads, never beside itself, and with a
// context that ends when leadership does. The rhythm goes from start to start and does not drift; where a call takes longer
// than its interval, those that would have begun meanwhile are left out:
//
//	interval  |         |         |         |         |         |
//	calls     [---]     [-]       [-----------]       [--]      [-]
//	                                        ^ left out
//
// A schedule begins anew with each term: by default with a call at once, in whichever process the term is. So a hand-over is
// never followed by a pause, and two calls in two processes may be closer together than the interval. What must not be called
// twice within it finds out for itself when it was called last.
package schedule
