package real

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net"
	"sync"

	"github.com/singleton-go/singleton/fence"
)

// sinks take what the nodes tell. Nothing that befalls a node or etcd befalls them.
type sinks struct {
	path     string
	listener net.Listener
	history  *history
	gate     fence.Gate // of the resource "sink"; each contender is an election
	served   sync.WaitGroup
}

func openSinks(ctx context.Context, path string, h *history) (*sinks, error) {
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	s := &sinks{path: path, listener: l, history: h}
	s.served.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // it is closed
			}
			s.served.Go(func() { s.serve(ctx, conn) })
		}
	})
	return s, nil
}

// close waits for the nodes' connections, which end with the nodes.
func (s *sinks) close() {
	_ = s.listener.Close()
	s.served.Wait()
}

func (s *sinks) serve(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	in := bufio.NewScanner(conn)
	var from message
	for in.Scan() {
		at := now()
		var m message
		if json.Unmarshal(in.Bytes(), &m) != nil {
			return // half a line of one that was killed
		}
		switch m.Kind {
		case hello:
			from = m
		case stall:
			s.history.with(func() { s.history.stalls[from.Node] = append(s.history.stalls[from.Node], span{m.Start, m.End}) })
		case effect:
			s.effect(ctx, from, m, at)
			if _, err := conn.Write([]byte{'.'}); err != nil {
				return // it is gone
			}
		default:
			s.history.with(func() { s.history.contests[from.Contender].note(from, m, at) })
		}
	}
}

// effect gives an effect to both sinks.
func (s *sinks) effect(ctx context.Context, from, m message, at int64) {
	c, i := s.history.contests[from.Contender], 0
	s.history.with(func() {
		i = len(c.effects)
		c.note(from, m, at)
	})
	err := s.gate.Do(ctx, "sink", fence.NewTerm(electionOf(from.Contender), m.Token), func(context.Context) error {
		s.history.with(func() { c.accepted = append(c.accepted, m.Token) })
		return nil
	})
	s.history.with(func() { c.effects[i].refused, c.effects[i].done = errors.Is(err, fence.ErrStale), now() })
}

// electionOf is a contender's name without spaces.
func electionOf(contender string) string {
	if contender == concurrency {
		return "concurrency"
	}
	return contender
}
