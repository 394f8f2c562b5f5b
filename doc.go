// Package singleton runs work in exactly one of many processes.
//
// All processes of a cluster run the same program and install the same units. Of each [Worker] and each [Service], one
// process at a time runs the runner; the others wait their turn, and one takes over within milliseconds when the one stops,
// or as soon as the store has given it up when it crashed or was cut off. A [Replica] runs in every process.
//
//	rt, err := singleton.New(eng, singleton.Config{Prefix: "/my-app"})
//	...
//	err = rt.Run(ctx,
//		singleton.Worker("data-sync", schedule.Every(time.Minute, sync)),
//		singleton.Service("ledger", ledger),
//	)
//
// # What is promised
//
// No system that rests on leases can promise that there is one runner at every instant: a process that was paused can't know
// that it has been replaced. So there are three promises, each with its own limit.
//
// Grant: the store never has two holders of one election. There is no limit to this one.
//
// Execution: before another process is elected, the context of the runner has ended and a runner that heeds it has
// returned. This holds while the rates of the clocks agree within [discovery.Timing] Drift, the process is not suspended for
// longer than its window, and nobody removes its record by force (a removal is noticed by the watch, at the stop line at the
// latest). It is about code that runs, not about what it has sent: a request may arrive after its sender is gone. Where
// nothing checks tokens, [WithTakeoverDelay] makes a successor wait for such latecomers.
//
// Effects: whatever happens, a resource that checks the fencing token of the [Term] never applies an effect of an older term
// after one of a newer term.
//
// # When a leader is cut off
//
// A runner's time ends by a local clock, at the stop line, without any answer of the store. It has then one drain to return:
//
//	last renewal sent           stop line            window closes    store forgets
//	|--------- runs ------------|------- drain ------|---- margin ----|
//	                            context ends:        has returned     the next one
//	                            cause ErrLost                         is elected
//
// With the defaults of [discovery.Timing] the stop line lies 6 s after the last renewal that succeeded was sent, the drain is
// 2.5 s, and the store forgets after 10 s.
//
// # The life of a unit
//
// A unit is [Pending] while it waits in the queue and while it starts, and [Ready] while its runner runs. Then:
//
//   - It is told to stop, by the end of the process or [Runtime.Uninstall]: the context ends with cause [ErrStopped], the
//     runner drains within the grace time, and the unit is [Stopped]. The next process takes over when the runner has returned.
//   - Leadership is lost: the context ends with cause [ErrLost], the runner has the drain time to return, and the unit is
//     Pending again.
//   - Somebody asks the leader to make way: as when told to stop, but the unit queues again, at the tail.
//   - The runner fails or panics: the unit is in [Error], another process takes over, and after a backoff the unit queues
//     again. The backoff grows with each failure and shrinks with time.
//   - The runner returns nil: the unit has finished here and is Stopped. The next process in the queue then runs it in its turn,
//     so a runner whose work is done for the whole cluster must find that out by itself.
//
// Leadership is held until the runner has returned, and released after. A runner that outlasts its budget is stuck: it is
// named in [Runtime.Status] and the log, and waited for, and holds back nobody but itself. See [Config] OnStuck.
//
//	           elected           ready             told to stop              resigns
//	Pending ---|---- Pending ----|----- Ready -----|------- Stopping --------|--- Stopped, or Pending again
//	           |---- Startup ----|------------ Run -------------|- Shutdown -|
//	           |-------------------- one term, one token --------------------|
//	                             |--- endpoints ---|
//
// A service says by [Publish] where it can be reached, for as long as it is ready. Who follows it by
// [discovery.Discovery.Follow] learns of each change.
//
// # What it costs
//
// All units of a process share one session, one renewal and one watch, whatever their number. A unit that waits has no
// goroutine and sends nothing; one that is ready has the goroutine of its runner. What others see of a unit is written in the
// background, several changes as one, and nothing waits for it.
package singleton
