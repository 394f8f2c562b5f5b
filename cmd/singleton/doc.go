// Command singleton shows what elections are good for, on a machine that has nothing but Go.
//
//	go run github.com/singleton-go/singleton/cmd/singleton demo
//
// What went wrong stands in one line on stderr. Exit codes:
//
//	0     done
//	1     failed, or what was to be shown did not hold
//	2     the command line is wrong; nothing was started
//	128+n ended by signal n: 130 by Ctrl-C, 143 by SIGTERM
//
// The first signal ends a command in order, the second one at once.
package main
