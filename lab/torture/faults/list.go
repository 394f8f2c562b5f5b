package faults

// A fault is a mistake that could be made in our own code, as a textual patch.
type fault struct {
	name  string
	does  string // what is wrong then
	edits []edit
	tests []string // the packages whose tests must catch it where the simulation doesn't
}

// An edit replaces a text that must occur once in the file, after the first occurrence of in, if that is set.
type edit struct {
	file     string // in the module
	in       string
	old, new string
}

// one is a fault by one edit.
func one(name, does, file, old, replacement string, tests ...string) fault {
	return fault{name: name, does: does, edits: []edit{{file: file, old: old, new: replacement}}, tests: tests}
}

const (
	trust     = "internal/lease/trust.go"
	timing    = "internal/lease/timing.go"
	hold      = "internal/lease/hold.go"
	session   = "internal/lease/session.go"
	mirror    = "internal/lease/mirror.go"
	watch     = "internal/lease/watch.go"
	own       = "internal/lease/own.go"
	calls     = "internal/lease/calls.go"
	candidate = "election/candidate.go"

	leaseTests = "./internal/lease"
	storeTests = "./engine/ramengine"

	isHead = "return q.own != nil && q.own.created != 0 && len(q.candidates) > 0 && q.candidates[0].created == q.own.created"
)

// all are the faults, in the order of the docs.
var all = []fault{
	one("window-from-receipt", "a renewal counts from when its answer came", session,
		"l.renewed(gen, sent)\n\t\t\twait", "l.renewed(gen, l.clock.now())\n\t\t\twait", leaseTests),
	one("open-from-receipt", "a session counts from when its answer came", session,
		"return l.begin(s, sent)", "sent = l.clock.now()\n\t\t\treturn l.begin(s, sent)", leaseTests),
	one("mark-from-receipt", "a mark of the watch counts from when it came", watch,
		"moment{at: asOf,", "moment{at: now.at,", leaseTests),
	one("mark-ignored", "the stop line ignores how old the watch is", trust,
		"max(l.gen.renewed.elapsed(now), l.marked.elapsed(now))", "l.gen.renewed.elapsed(now)", leaseTests),
	one("drain-ignored", "the stop line leaves no time for the drain", timing,
		"- t.Margin - t.Drain\n", "- t.Margin\n", leaseTests),
	one("drift-ignored", "clocks are taken to run at one rate", timing,
		"* (1 - t.Drift))", "* 1)", leaseTests),
	one("stop-line-late", "the stop line's timer is set for twice the time", trust,
		"l.stop.Reset(left)", "l.stop.Reset(2 * left)", leaseTests),
	one("late-proof-revives", "a proof after the stop line goes on with the term", trust,
		"before := l.review()", "before := l.remaining()", leaseTests),
	one("suspension-ignored", "the time that the machine slept does not count", "internal/lease/moment.go",
		" + max(0, now.asleep-m.asleep)", "", leaseTests),
	one("hold-without-trust", "a term begins also after the stop line", hold,
		"left := l.review()\n\tif left <= 0 {", "left := l.review()\n\tif false {", leaseTests),
	one("stop-line-unset", "a term begins without a timer for the stop line", hold,
		"if l.running++; l.running == 1 {", "if l.running++; l.running < 1 {", leaseTests),

	one("release-when-told", "the record goes when the runner is told to stop, and not when it has returned", "election/election.go",
		"func() { t.Stop(context.Cause(ctx)) })", "func() { _ = t.Resign(ctx) })", "./election"),
	{
		name: "release-at-loss", does: "the record of a term that was lost goes while its runner drains",
		edits: []edit{
			{file: calls, old: "(!c.wanted || c.again):", new: "(!c.wanted || c.again || c.token != 0 && c.cancel == nil):"},
			{file: hold, old: "\tc.cancel = nil\n", new: "\tc.cancel = nil\n\tl.settle(c)\n"},
		},
		tests: []string{leaseTests},
	},

	one("unconfirmed-leader", "the answer to the creation is enough to lead where the watch shows nobody before it", mirror,
		isHead, "return q.own != nil && q.own.created != 0 && (len(q.candidates) == 0 || q.candidates[0].created >= q.own.created)", leaseTests),
	one("any-place-leads", "the own record is not compared with the head of the queue", mirror,
		isHead, "return q.own != nil && q.own.created != 0 && len(q.candidates) > 0", leaseTests),
	one("adopted-from-watch", "a record is adopted because the watch shows it", own,
		"\tl.checkGone(c)\n\tl.settle(c)\n}\n\n// sweep",
		"\tif c.created == 0 && c.wanted && c.token == 0 {\n\t\tc.created, c.known = e.created, l.age()\n\t}\n"+
			"\tl.checkGone(c)\n\tl.settle(c)\n}\n\n// sweep", leaseTests),
	one("not-swept", "a record whose creation came late and is nobody's stays", own,
		"c = l.sweep(at, e)", "return", leaseTests),
	one("lost-reply-refused", "the own record that a creation finds is taken for another's", calls,
		"case r.Session == l.gen.id:", "case r.Session == l.gen.id && taken == nil:", leaseTests),

	{
		name: "renewal-by-name", does: "a renewal succeeds for a session that has ended",
		edits: []edit{{
			file: "engine/ramengine/session.go", in: ") Renew(",
			old: "err := s.alive(ctx, func(now time.Time) error {", new: "err := s.engine.do(ctx, func(now time.Time) error {",
		}},
		tests: []string{storeTests},
	},
	one("reply-of-any-session", "the reply to a call of an earlier session counts in the present one", calls,
		"if c.busy != gen || l.gen != gen {", "if l.gen == nil {", leaseTests),
	{
		name: "delete-by-key", does: "a deletion does not compare which creation of the key it means",
		edits: []edit{{
			file: "engine/ramengine/session.go", in: ") Delete(",
			old: "present, ok := st.exactly(r)", new: "present, ok := st.records[r.Key]",
		}},
		tests: []string{storeTests},
	},
	{
		name: "expiry-by-reader", does: "records of others that are older than a TTL by the reader's clock don't count",
		edits: []edit{
			{file: mirror, old: "\tcreated uint64\n}", new: "\tcreated uint64\n\tread    time.Time\n}"},
			{file: mirror, old: "created: r.Created}\n", new: "created: r.Created, read: time.Now()}\n"},
			{file: mirror, old: "\t\"strings\"\n", new: "\t\"strings\"\n\t\"time\"\n"},
			{
				file: hold, old: "return q != nil && q.own == c && q.heads()",
				new: "if c.created == 0 || q == nil {\n\t\treturn false\n\t}\n\tfor _, e := range q.candidates {\n" +
					"\t\tif e.created == c.created {\n\t\t\treturn true\n\t\t}\n" +
					"\t\tif now := l.clock.now().at; now.Sub(e.read) < l.cfg.Timing.TTL {\n\t\t\treturn false\n\t\t}\n\t}\n\treturn false",
			},
		},
		tests: []string{leaseTests},
	},

	one("silent-watch-kept", "a watch that says nothing any more is not begun anew", "internal/lease/follow.go",
		"time.AfterFunc(patience,", "time.AfterFunc(10000*patience,", leaseTests),
	one("renewed-for-ever", "a session whose process can't be trusted is renewed all the same", session,
		"if l.blind(gen) {", "if l.blind(gen) && gen == nil {", "./election"),
	one("takeover-at-once", "the takeover delay is left out", candidate,
		"if c.e.delay() == 0 ||", "if c.e.delay() >= 0 ||", "./election"),
	one("clean-end-taken-on-trust", "every end of a leader is taken for a clean one", mirror,
		"q.clean = q.notes(q.candidates[0].created)", "q.clean = true", "./election", leaseTests),
	one("fence-open", "the fence lets older terms pass", "fence/fence.go",
		"if term.Token() < newest {", "if term.Token() < newest/2 {", "./fence"),
}
