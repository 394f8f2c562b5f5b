//go:build !unix

package guard

import "os"

func ignored() []os.Signal { return nil }
