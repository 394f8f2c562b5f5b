package discovery

import "strconv"

// A State is where a unit, a node or an endpoint is in its life. Records and JSON hold its number.
type State int8

// The states. A unit is Pending while it waits for leadership and while it starts up, and Ready once it is elected and
// started. Error is a unit that failed, and waits before it campaigns again.
const (
	Init     State = 1
	Pending  State = 2
	Ready    State = 3
	Stopping State = 4
	Stopped  State = 5
	Error    State = 100
)

// String returns the state's name in lower case. A number that is no state's, which a foreign record may hold, is shown as
// such.
func (s State) String() string {
	switch s {
	case Init:
		return "init"
	case Pending:
		return "pending"
	case Ready:
		return "ready"
	case Stopping:
		return "stopping"
	case Stopped:
		return "stopped"
	case Error:
		return "error"
	}
	return "state(" + strconv.Itoa(int(s)) + ")"
}
