package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
)

// profile writes what the heap is made of when a node is weighed, and what the processor does from the request "record" to the
// request "recorded". It does nothing for those who didn't ask for profiles.
func profile(r role, q request, heap uint64) error {
	name := fmt.Sprintf("%s-%d-of-%d", r.Kind, r.Index, r.Units)
	switch {
	case r.Profile == "":
		return nil
	case q.Do == "weigh":
		f, err := os.Create(filepath.Join(r.Profile, fmt.Sprintf("%s-heap-%d.pprof", name, heap)))
		if err != nil {
			return err
		}
		return errors.Join(pprof.WriteHeapProfile(f), f.Close())
	case q.Do == "record":
		f, err := os.Create(filepath.Join(r.Profile, name+"-cpu.pprof"))
		if err != nil {
			return err
		}
		return pprof.StartCPUProfile(f)
	case q.Do == "recorded":
		pprof.StopCPUProfile()
	}
	return nil
}
