package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/singleton-go/singleton/discovery"
)

// A play is what happens on a stage. All of it runs on one goroutine, which spends its time in await.
type play struct {
	ttl      time.Duration
	limit    time.Duration // for anything that must come
	parent   int           // the process that must not end; 0 for none
	rests    time.Duration // between one fault and the next
	stage    stage
	sink     *sink
	report   reporter
	faults   []fault
	clusters <-chan discovery.Cluster

	cluster discovery.Cluster // as it was seen last
	cast    []*player         // all who have entered
	hits    []hit
}

// A player is a node as the audience knows it.
type player struct {
	actor
	name  string
	state string
	told  units // what was said of it
}

// What has been done to a node. Only one that was told to end may end.
const (
	running  = "running"
	killed   = "killed"
	stopping = "stopping"
	paused   = "paused"
	replaced = "replaced"
)

// A hit is what a fault does to an election: it ends a term, or spares it because another node leads.
type hit struct {
	fault    string
	election string
	node     string // that led
	token    uint64
	spared   bool
}

// limitOf is how long anything may take that must come: a session's end, twice, and some time for a slow machine.
func limitOf(ttl time.Duration) time.Duration { return 2*ttl + 10*time.Second }

// perform gives all acts, and says what came of it.
func (p *play) perform(ctx context.Context, o Options) error {
	p.prologue(o.Engine)
	err := p.acts(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	rows := p.rows()
	p.report.table(rows)
	err = errors.Join(err, verdict(rows))
	if o.Keep && err == nil {
		err = errors.Join(err, p.encore(ctx))
	}
	return err
}

// prologue says what is to be seen.
func (p *play) prologue(engine string) {
	s := p.stage.setting()
	p.report.event(p.stamped(event{
		Event: "start", Engine: engine, URL: s.url, Dir: s.dir, Simulated: s.simulated,
		TTL: millis(p.ttl), Limit: millis(p.limit),
	}), "")
	p.report.note(fmt.Sprintf("%s Each has a job, %s, that runs every %s, and a service, %s. Only the one that leads does the work, "+
		"and all it does goes to a sink that checks fencing tokens.", s.words, elections[0], span(jobInterval), elections[1]))
	p.report.note(fmt.Sprintf("A session ends %s after its last renewal. A hand-over that takes more than %s is a failure.",
		span(p.ttl), span(p.limit)))
}

func (p *play) acts(ctx context.Context) error {
	for range 3 {
		if err := p.enter(ctx); err != nil {
			return err
		}
	}
	for _, f := range p.faults {
		if err := p.rest(ctx); err != nil {
			return err
		}
		if err := p.act(ctx, f); err != nil {
			return err
		}
	}
	return p.rest(ctx)
}

// encore goes on until ctx ends.
func (p *play) encore(ctx context.Context) error {
	words := "The play is over, and the nodes go on until Ctrl-C."
	if url := p.stage.setting().url; url != "" {
		words += " From another terminal: singleton status --engine " + url
	}
	p.report.note(words)
	if err := p.await(ctx, 1<<62, func() bool { return false }); ctx.Err() == nil {
		return err
	}
	return nil
}

// enter starts a node, and waits until it is in all queues. So their order is the same, and the next leader is the next of all.
func (p *play) enter(ctx context.Context) error {
	name := fmt.Sprintf("node-%d", len(p.cast)+1)
	a, err := p.stage.enter(name)
	if err != nil {
		return err
	}
	p.cast = append(p.cast, &player{actor: a, name: name, state: running})
	return p.expect(ctx, name+" in the queues", func() bool { return p.queued(name) })
}

// act has one fault befall the node that leads the first election, and waits until others lead in its place.
func (p *play) act(ctx context.Context, f fault) error {
	if err := p.expect(ctx, "leaders at work", p.steady); err != nil {
		return err
	}
	leader, _ := p.leader(elections[0])
	victim := p.player(leader)
	if victim == nil || victim.state != running {
		return fmt.Errorf("%s is led by %q, which is no running node", elections[0], leader)
	}
	hits := p.aim(f, victim)
	victim.state = f.state
	if err := f.does(victim); err != nil {
		return fmt.Errorf("%s to %s: %w", f.title, victim.name, err)
	}
	words := strings.NewReplacer("{node}", victim.name, "{ttl}", span(p.ttl)).Replace(f.words)
	p.say(event{Event: "fault", Fault: f.name, Node: victim.name, Elections: endedBy(hits)}, "%s: %s", f.title, words)
	for _, h := range hits {
		if h.spared {
			continue
		}
		if err := p.follow(ctx, h); err != nil {
			return err
		}
	}
	return f.then(p, ctx, victim)
}

// aim notes which terms the fault will end. A node may lead all elections, or only the first.
func (p *play) aim(f fault, victim *player) []hit {
	hits := make([]hit, 0, len(elections))
	for _, e := range elections {
		leader, token := p.leader(e)
		hits = append(hits, hit{f.name, e, leader, token, leader != victim.name})
	}
	p.hits = append(p.hits, hits...)
	return hits
}

// follow waits until an effect of a later term was accepted, and discovery shows whose.
func (p *play) follow(ctx context.Context, h hit) error {
	var came handover
	var node string
	var token uint64
	err := p.expect(ctx, fmt.Sprintf("hand-over of %s after %s", h.election, title(h.fault)), func() bool {
		came = p.sink.handover(h.election, h.token)
		node, token = p.leader(h.election)
		return came.done && node != "" && token == p.sink.tally(h.election).newest
	})
	if err != nil {
		return err
	}
	p.say(event{
		Event: "handover", Fault: h.fault, Election: h.election, Node: node, Token: token,
		Gap: millis(came.gap), Overlap: millis(came.overlap),
	}, "%s leads %s under token %d. Nobody did it for %s.", node, h.election, token, span(came.gap))
	return nil
}

// replace starts a node in the place of one that was told to end.
func (p *play) replace(ctx context.Context, old *player) error {
	if err := p.expect(ctx, "end of "+old.name, func() bool { return isClosed(old.ended()) }); err != nil {
		return err
	}
	if err := old.err(); err != nil && old.state == stopping { // its work is handed over: no failure of the play
		p.say(event{Event: "complaint", Node: old.name}, "%s has stopped with a complaint: %v", old.name, err)
	}
	old.state = replaced
	return p.enter(ctx)
}

// wake ends a pause.
func (p *play) wake(ctx context.Context, sleeper *player) error {
	if err := p.rest(ctx); err != nil {
		return err
	}
	sleeper.state = running
	if err := sleeper.resume(); err != nil {
		return fmt.Errorf("SIGCONT to %s: %w", sleeper.name, err)
	}
	p.say(event{Event: "resume", Node: sleeper.name},
		"SIGCONT: %s goes on where it stood, as if it still led. What it sends now comes too late.", sleeper.name)
	if err := p.expect(ctx, sleeper.name+" back in the queues", func() bool { return p.queued(sleeper.name) }); err != nil {
		return err
	}
	refused := 0
	for _, h := range p.hits {
		if h.node == sleeper.name && !h.spared {
			refused += p.sink.handover(h.election, h.token).refused
		}
	}
	p.say(event{Event: "back", Node: sleeper.name, Refused: &refused},
		"%s waits its turn again. The sink refused %s of its old terms.", sleeper.name, count(refused, "stale effect"))
	return nil
}
