package real

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// What Porcupine says about a history.
const (
	legal   = "legal"
	illegal = "illegal"
)

// checkAtMost is for one history; a verdict takes a moment.
const checkAtMost = time.Minute

// An operation is what is done to a lock, or through it.
type operation struct {
	what  string // acquire, release or effect
	token uint64
}

// A held is the state of a lock: who has it, or has had it last.
type held struct {
	token uint64
	free  bool
}

// lockModel is a lock with tokens and expiry. It expires at any time, so a newer term may acquire it whether or not the older one has
// released it; but from then on the older one has no effects, and its release is none. A term that has released it has none
// either. Tokens rise.
var lockModel = porcupine.Model{
	Init: func() any { return held{free: true} },
	Step: func(state, input, _ any) (bool, any) {
		s, in := state.(held), input.(operation)
		switch in.what {
		case "acquire":
			return in.token > s.token, held{token: in.token}
		case "release":
			if in.token < s.token {
				return true, s
			}
			return in.token == s.token && !s.free, held{s.token, true}
		default:
			return in.token == s.token && !s.free, s
		}
	},
}

// fenceModel is a resource that accepts a token if it has seen no higher one.
var fenceModel = porcupine.Model{
	Init: func() any { return uint64(0) },
	Step: func(state, input, output any) (bool, any) {
		newest, token, refused := state.(uint64), input.(uint64), output.(bool)
		return refused == (token < newest), max(newest, token)
	},
}

// verdicts asks Porcupine.
func (h *history) verdicts(c *contest, out *Outcome) {
	out.Executions = verdict(lockModel, c.operations(func(action) bool { return true }))
	out.Awake = verdict(lockModel, c.operations(func(a action) bool { return !h.slept(c, a) }))
	var fenced []porcupine.Operation
	for _, a := range c.effects {
		fenced = append(fenced, porcupine.Operation{Input: a.token, Call: a.at, Output: a.refused, Return: a.done})
	}
	out.Fenced = verdict(fenceModel, fenced)
}

func verdict(m porcupine.Model, all []porcupine.Operation) string {
	switch result := porcupine.CheckOperationsTimeout(m, all, checkAtMost); result {
	case porcupine.Ok:
		return legal
	case porcupine.Illegal:
		return illegal
	default:
		return fmt.Sprintf("not decided in %v", checkAtMost)
	}
}

// operations are what all terms did, with the effects that are wanted.
func (c *contest) operations(wanted func(action) bool) (all []porcupine.Operation) {
	add := func(what string, token uint64, s span) {
		all = append(all, porcupine.Operation{Input: operation{what, token}, Call: s.Start, Return: s.End})
	}
	for _, t := range c.terms {
		add("acquire", t.Token, span{t.Start, t.Start + 1})
		if !t.killed {
			add("release", t.Token, span{t.End, t.End + 1})
		}
	}
	for _, a := range c.effects {
		if wanted(a) {
			add("effect", a.token, a.span)
		}
	}
	slices.SortStableFunc(all, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	return all
}

// slept says whether an effect began after its node had been suspended within the same term.
func (h *history) slept(c *contest, a action) bool {
	for _, t := range c.terms {
		if t.Token == a.token && t.Node == a.node && h.suspended(a.node, span{t.Start, a.Start}) {
			return true
		}
	}
	return false
}
