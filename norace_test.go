//go:build !race

package singleton_test

const raceEnabled = false
