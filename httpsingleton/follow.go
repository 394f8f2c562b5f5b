package httpsingleton

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"

	"github.com/singleton-go/singleton/discovery"
	"github.com/singleton-go/singleton/fence"
)

var (
	// ErrNobody says that nobody serves, and that the request was not to wait, or waited too long.
	ErrNobody = errors.New("nobody serves")

	// ErrTooMany says that as many requests wait already as may.
	ErrTooMany = errors.New("too many requests wait")
)

// How long to wait for another target before the same one is tried again.
const (
	firstPause = 20 * time.Millisecond
	lastPause  = time.Second
)

// A Transport sends requests to where a singleton service is. It is an [http.RoundTripper], made by [Follow] and safe for
// concurrent use.
type Transport struct {
	service string
	options Options
	tracker *tracker
	room    *room
	cancel  context.CancelCauseFunc
	wg      sync.WaitGroup
}

// Follow returns a transport to the singleton service of this name. What host a request's URL names doesn't matter:
//
//	client := &http.Client{Transport: t}
//	client.Get("http://ledger/accounts/7")
//
// Close the transport before the discovery, of which it uses what is mirrored there anyway. Errors name the option and its value.
func Follow(d *discovery.Discovery, service string, o Options) (*Transport, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("follow service %s: %w", service, err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	t := &Transport{service: service, options: o, tracker: newTracker(), room: &room{options: o}, cancel: cancel}
	t.wg.Go(func() { t.tracker.run(ctx, d, service, t.CloseIdleConnections) })
	return t, nil
}

// Close ends following. Requests that wait fail; those under way go on.
func (t *Transport) Close() {
	t.cancel(fmt.Errorf("transport to service %s: %w", t.service, http.ErrServerClosed))
	t.wg.Wait()
	t.CloseIdleConnections()
}

// CloseIdleConnections closes the connections that no request uses.
func (t *Transport) CloseIdleConnections() {
	if c, ok := t.options.Base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// Stats returns what has happened so far.
func (t *Transport) Stats() Stats { return t.room.stats() }

// RoundTrip sends the request to where the service is, and waits for that as [Options] say. It sends it again only if it
// surely was not run. Beside the errors of the base transport it returns [ErrNobody] and [ErrTooMany].
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	b := &body{of: r}
	defer b.keep()
	call := &call{t: t, r: r, body: b}
	for {
		resp, err := call.try()
		if err == nil || !errors.Is(err, errNotRun) {
			return resp, err
		}
	}
}

// errNotRun says that the request surely was not run, and is worth another attempt.
var errNotRun = errors.New("not run")

// A call is one request on its way to the service.
type call struct {
	t     *Transport
	r     *http.Request
	body  *body
	until time.Time // how long it may wait; zero while it has not had to
	pause time.Duration
}

// try makes one attempt, after waiting for a target.
func (c *call) try() (*http.Response, error) {
	s, err := c.target()
	if err != nil {
		return nil, err
	}
	in, ok := c.body.next()
	if !ok {
		return nil, fmt.Errorf("service %s: request can't be sent again: its body was read, and has no GetBody", c.t.service)
	}
	out, connected := c.address(s, in)
	resp, err := c.t.options.Base.RoundTrip(out)
	switch {
	case err == nil && refused(resp):
		return c.refusal(s, resp)
	case err == nil:
		c.t.watchOut(s, resp)
		return resp, nil
	case c.r.Context().Err() != nil || connected.Load():
		return nil, err
	}
	return nil, c.outdated(s, err)
}

// target returns where the service is, and waits for it.
func (c *call) target() (*sighting, error) {
	for {
		s := c.t.tracker.now.Load()
		switch {
		case s.err != nil:
			return nil, s.err
		case len(s.usable) > 0:
			return s, nil
		}
		if err := c.await(s, nil); err != nil {
			return nil, err
		}
	}
}

// outdated waits for another target than s, which has failed, or for a while.
func (c *call) outdated(s *sighting, failure error) error {
	c.t.room.resent.Add(1)
	c.pause = min(max(firstPause, 2*c.pause), lastPause)
	timer := time.NewTimer(c.pause)
	defer timer.Stop()
	if err := c.await(s, timer.C); err != nil {
		return fmt.Errorf("%w (%w)", err, failure)
	}
	return errNotRun
}

// await waits until the sighting s is outdated, or again says so.
func (c *call) await(s *sighting, again <-chan time.Time) error {
	select {
	case <-s.changed:
		return nil
	default:
	}
	if err := c.t.room.enter(c); err != nil {
		return fmt.Errorf("service %s: %w", c.t.service, err)
	}
	defer c.t.room.leave(c)
	late := time.NewTimer(time.Until(c.until))
	defer late.Stop()
	select {
	case <-s.changed:
		return nil
	case <-again:
		return nil
	case <-late.C:
		c.t.room.expired.Add(1)
		return fmt.Errorf("service %s: %w within %v", c.t.service, ErrNobody, c.t.options.MaxWait)
	case <-c.r.Context().Done():
		return context.Cause(c.r.Context())
	}
}

// address returns the request as it is sent to s, and whether a connection was there for it.
func (c *call) address(s *sighting, in io.ReadCloser) (*http.Request, *atomic.Bool) {
	connected := &atomic.Bool{}
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }}
	out := c.r.Clone(httptrace.WithClientTrace(c.r.Context(), trace))
	e := s.pick()
	out.Body, out.URL.Scheme, out.URL.Host = in, e.Protocol, e.Address
	out.Header.Set(fence.TargetHeader, fence.FormatTarget(string(discovery.Service)+"/"+c.t.service, s.Token))
	return out, connected
}

// watchOut closes the connection of an answer once it is idle, if the service has moved meanwhile: the server waits for that.
func (t *Transport) watchOut(s *sighting, resp *http.Response) {
	if resp.StatusCode != http.StatusSwitchingProtocols {
		resp.Body = &answer{resp.Body, t, s}
	}
}

type answer struct {
	io.ReadCloser
	t *Transport
	s *sighting
}

func (a *answer) Close() error {
	err := a.ReadCloser.Close()
	if a.t.tracker.now.Load() != a.s {
		a.t.CloseIdleConnections()
	}
	return err
}

// refused says whether the answer is that of a server that did not run the request.
func refused(r *http.Response) bool {
	return r.StatusCode == http.StatusServiceUnavailable && r.Header.Get(fence.RefusedHeader) != ""
}

// refusal gives the answer of a server that did not run the request to the caller only if it can't be sent again.
func (c *call) refusal(s *sighting, resp *http.Response) (*http.Response, error) {
	if !c.body.repeatable() {
		return resp, nil
	}
	_ = resp.Body.Close()
	return nil, c.outdated(s, fmt.Errorf("refused: %s", resp.Header.Get(fence.RefusedHeader)))
}
