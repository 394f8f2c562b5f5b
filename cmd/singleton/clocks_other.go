//go:build !linux

package main

type clockCheck struct{}

func beginClockCheck() clockCheck { return clockCheck{} }

func (clockCheck) end() clocks { return clocks{Error: "not read on this platform"} }

func kernel() string { return "" }
