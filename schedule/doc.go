// Package schedule has runners that call a function by the clock.
//
// What runs under a schedule runs under the unit's term: only while this process leads, never beside itself, and with a
// context that ends when leadership does.
package schedule
