package enginetest

// consequences say, by the number of the duty, what happens to those who rely on a duty that is broken.
var consequences = map[int]string{
	1:  "a process takes another's records for its own: two nodes believe that they lead",
	2:  "a healthy leader loses its session between two renewals that were both in time",
	3:  "a leader whose records are given up goes on leading beside its successor",
	4:  "records outlive their owner and block their queues, or a queue is judged while an ended session is half removed",
	5:  "two leaders: one from before the store went back, one from after",
	6:  "a process that stops keeps its elections until its TTL is over, or hangs while it shuts down",
	7:  "the newcomer is sorted before the leader, and fencing tokens fall",
	8:  "a second candidate takes over a place that is not its own",
	9:  "a delayed request of an older term removes or changes the record of the present one",
	10: "a retry after a time-out does harm, or can never find out what happened",
	11: "names mix: what is done to one election happens to another, or a value comes back changed",
	12: "a mirror of the store stays wrong for ever, and with it who leads",
	13: "a reader takes the second in a queue for the first: two leaders",
	14: "a queue is judged halfway through a change, and a leader appears that never was",
	15: "a process trusts a view that is out of date, beyond its trust window, or gives up a view that is sound",
	16: "one stuck reader stops the renewals of its whole process, or every other process",
	17: "a process can't stop, or leaks a goroutine with every call",
	18: "the units of one process disturb each other",
	19: "one stopped process stops the whole cluster",
	20: "a wall clock that is set moves the trust window",
}
