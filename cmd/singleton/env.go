package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/engineurl"
)

func newEnv() *cobra.Command {
	var store *storeChoice
	var asJSON bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "env",
		Short: "Show the store, whether it answers, and what the clocks say",
		Long: `Show which store the other commands would use and why, whether it answers, what the clocks of this machine say, and the
versions: what to send with a bug report. It shows no password. It changes nothing, but that
a directory which is not there is made.

Exit codes: 0; 1 the store doesn't answer; 2 the command line is wrong.`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			check := beginClockCheck()
			e := environment{Versions: versions(), User: os.Getuid()}
			e.Host, _ = os.Hostname()
			url, from := store.engineURL()
			e.Store.Engine, e.Store.From = engineurl.Redact(url), from
			err := e.Store.probe(cmd, store, timeout)
			e.Clocks = check.end()
			if err != nil {
				e.Store.Error = err.Error()
			}
			if wrote := e.write(cmd.OutOrStdout(), asJSON); wrote != nil {
				return wrote
			}
			return err
		},
	}
	store = storeFlags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	cmd.Flags().DurationVar(&timeout, "timeout", lookLimit, "how long to wait for the store")
	return cmd
}

// An environment is what a bug report should say.
type environment struct {
	Store    storeReport `json:"store"`
	Clocks   clocks      `json:"clocks"`
	Versions versionSet  `json:"versions"`
	Host     string      `json:"host"`
	User     int         `json:"uid"`
}

type storeReport struct {
	Engine    string  `json:"engine"`
	From      string  `json:"from"`
	Prefix    string  `json:"prefix,omitempty"`
	Answered  float64 `json:"answeredSeconds,omitempty"` // after which time it showed the whole cluster
	Nodes     int     `json:"nodes"`
	Elections int     `json:"elections"`
	Error     string  `json:"error,omitempty"`
}

// probe looks at the cluster once.
func (s *storeReport) probe(cmd *cobra.Command, choice *storeChoice, timeout time.Duration) error {
	begun := time.Now()
	err := choice.observe(cmd, func(ctx context.Context, d *discovery.Discovery) error {
		return within(ctx, timeout, func(ctx context.Context) error {
			c, err := d.Cluster(ctx)
			if err == nil {
				s.Answered, s.Nodes, s.Elections = time.Since(begun).Seconds(), len(c.Nodes), len(c.Elections)
			}
			return err
		})
	})
	s.Prefix = choice.prefix
	return err
}

// clocks are what trust in a lease rests on, as far as one machine can tell.
type clocks struct {
	// Suspended is for how long the machine has slept since it was started: its lease ran on meanwhile, and that is counted.
	Suspended float64 `json:"suspendedSeconds"`

	// RatePPM is by how much the kernel makes the clocks faster than the hardware's. Leases allow 100 000.
	RatePPM float64 `json:"ratePPM"`

	// Step is by how much the wall clock has moved against the monotonic one during this command. No lease rests on the wall
	// clock; a step explains odd times in a log.
	Step float64 `json:"wallClockStepSeconds"`

	Synchronised bool   `json:"synchronised"`
	Error        string `json:"error,omitempty"`
}

type versionSet struct {
	Singleton string `json:"singleton"`
	Go        string `json:"go"`
	Platform  string `json:"platform"`
	Kernel    string `json:"kernel,omitempty"`
}

func versions() versionSet {
	v := versionSet{Singleton: "devel", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Kernel: kernel()}
	b, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if b.Main.Version != "" && b.Main.Version != "(devel)" {
		v.Singleton = b.Main.Version
	}
	for _, s := range b.Settings {
		if s.Key == "vcs.revision" {
			v.Singleton += " " + s.Value
		}
	}
	return v
}

func (e environment) write(w io.Writer, asJSON bool) error {
	if asJSON {
		return writeJSON(w, e)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(key, format string, args ...any) {
		_, _ = fmt.Fprintf(t, "%s\t%s\n", key, strings.TrimSpace(fmt.Sprintf(format, args...))) // Flush tells
	}
	line("engine", "%s (from %s)", e.Store.Engine, e.Store.From)
	line("prefix", "%s", e.Store.Prefix)
	if e.Store.Error == "" {
		line("answers", "yes, after %.0f ms: nodes %d, elections %d", e.Store.Answered*1000, e.Store.Nodes, e.Store.Elections)
	} else {
		line("answers", "no")
	}
	line("suspended", "%.3f s since the machine was started", e.Clocks.Suspended)
	line("clock rate", "%+.1f ppm, of 100000 allowed%s", e.Clocks.RatePPM, e.Clocks.remark())
	line("wall clock", "stepped by %.3f s during this command", e.Clocks.Step)
	line("host", "%s, uid %d, pid %d", e.Host, e.User, os.Getpid())
	line("version", "singleton %s, %s, %s %s", e.Versions.Singleton, e.Versions.Go, e.Versions.Platform, e.Versions.Kernel)
	return t.Flush()
}

func (c clocks) remark() string {
	switch {
	case c.Error != "":
		return "; unknown: " + c.Error
	case !c.Synchronised:
		return "; not synchronised, which leases don't need"
	}
	return ""
}
