package guard

import "github.com/singleton-go/singleton/guard/tether"

// pid1 is the way to PID 1 where that guards this process, and else nil. Main sets it.
var pid1 *tether.End
