package main

import (
	"os"
	"testing"
)

// programVariable makes this test's binary the program itself, for tests that need a process of it.
const programVariable = "SINGLETON_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(programVariable) != "" {
		main()
	}
	code := m.Run()
	stopEtcd()
	os.Exit(code)
}
