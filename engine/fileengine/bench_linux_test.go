package fileengine_test

import (
	"fmt"
	"testing"

	"github.com/singleton-go/singleton/engine"
)

func BenchmarkCreate(b *testing.B) {
	e := newEngine(b)
	s, err := e.Open(b.Context(), engine.SessionOptions{TTL: ttl})
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; b.Loop(); i++ {
		if _, err := s.Create(b.Context(), fmt.Sprintf("bench/%d", i), nil); err != nil {
			b.Fatal(err)
		}
	}
}
