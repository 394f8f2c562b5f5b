package main

import (
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/singleton-go/singleton/cmd/singleton/internal/shim"
)

// programVariable makes this test's binary the program itself, for tests that need a process of it, or the command that
// 'singleton run' runs.
const programVariable = "SINGLETON_TEST_PROGRAM"

// commands are what the test's binary can be beside the program, by its first argument.
var commands = map[string]func(args []string) int{}

func TestMain(m *testing.M) {
	shim.Main()
	if os.Getenv(programVariable) != "" {
		if command := commands[append(os.Args, "")[1]]; command != nil {
			os.Exit(command(os.Args[2:]))
		}
		main()
	}
	if signal.Ignored(syscall.SIGHUP) { // under nohup, and so by all processes that the tests start
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	code := m.Run()
	stopEtcd()
	os.Exit(code)
}
