//go:build !linux

package shim

// Main does nothing: no process is a shim on this system.
func Main() {}
