package demo

import "context"

// A fault is something that befalls a leader.
type fault struct {
	name  string // as in the summary for programs
	title string // as people write it
	does  func(actor) error
	state string // of the node afterwards
	words string // what a viewer should know; {node} and {ttl} are filled in
	then  func(*play, context.Context, *player) error
}

var faults = [...]fault{
	{
		name: "sigkill", title: "SIGKILL", does: actor.kill, state: killed, then: (*play).replace,
		words: "{node} is killed and tells nobody. The store gives its place away when its session has run out, " +
			"{ttl} after its last renewal.",
	},
	{
		name: "sigterm", title: "SIGTERM", does: actor.terminate, state: stopping, then: (*play).replace,
		words: "{node} is told to stop. It finishes what it is at, then resigns, and the next in the queue leads at once.",
	},
	{
		name: "sigstop", title: "SIGSTOP", does: actor.pause, state: paused, then: (*play).wake,
		words: "{node} is paused in the middle of its work, until others have taken over. It can't know how long it slept.",
	},
}

// title is how people write the name of a fault.
func title(name string) string {
	for _, f := range faults {
		if f.name == name {
			return f.title
		}
	}
	return name
}
