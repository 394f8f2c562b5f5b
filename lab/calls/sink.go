package main

import (
	"net"
	"net/rpc"
	"slices"
	"sync"
)

// An Effect is what a call had done.
type Effect struct {
	Key   string
	Token uint64
}

// A Sink is told of all effects before they are acknowledged. Its methods are called by the processes of the load.
type Sink struct {
	mu     sync.Mutex
	tokens map[string][]uint64 // by key: the terms under which it had an effect, each once
	again  int                 // effects of a key under a term that had it had already
}

// Take takes an effect.
func (s *Sink) Take(e Effect, _ *struct{}) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.tokens[e.Key], e.Token) {
		s.again++
		return nil
	}
	s.tokens[e.Key] = append(s.tokens[e.Key], e.Token)
	return nil
}

// listen serves at a socket until close is called.
func (s *Sink) listen(socket string) (stop func() error, err error) {
	server := rpc.NewServer()
	if err := server.Register(s); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		return nil, err
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { server.ServeConn(c) }) // until its process ends
		}
	})
	return func() error {
		err := l.Close()
		all.Wait()
		return err
	}, nil
}
