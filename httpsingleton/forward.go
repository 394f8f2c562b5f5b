package httpsingleton

import (
	"errors"
	"net/http"
	"net/http/httputil"
	"strconv"
)

// How often a request may be passed on: twice is what happens when the service moves while it is under way.
const maxHops = 3

// Forward returns a handler for every process of a service behind a load balancer that knows nothing of leaders. Where the
// service runs in this process, and here may be nil if it never does, the request is run at once; else it is passed on to where it
// is, with t's waiting and its limits.
//
// Bodies and trailers are streamed, and upgraded connections (WebSockets) passed through. A request that comes round in a
// circle, because what is advertised are forwarding addresses, ends with status 508. While nobody serves and the request may not
// wait any longer, it ends with 503; when the service could not be reached, or its answer got lost, with 502.
func Forward(t *Transport, here *Service) http.Handler {
	return &forward{here: here, proxy: &httputil.ReverseProxy{
		Rewrite:       rewrite,
		Transport:     t,
		FlushInterval: -1,
		ErrorHandler:  explain,
	}}
}

// rewrite passes a request on as it is, with one more hop. The load balancer before this process knows better than this process by
// which host and protocol, and from where, the request came.
func rewrite(p *httputil.ProxyRequest) {
	p.Out.Host, p.Out.URL.RawQuery = p.In.Host, p.In.URL.RawQuery
	p.Out.Header["X-Forwarded-For"] = p.In.Header["X-Forwarded-For"]
	p.SetXForwarded()
	for _, name := range []string{"X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded"} {
		if values := p.In.Header[name]; len(values) > 0 {
			p.Out.Header[name] = values
		}
	}
}

type forward struct {
	here  *Service
	proxy *httputil.ReverseProxy
}

func (f *forward) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	hops, err := strconv.Atoi(r.Header.Get(HopsHeader))
	if err != nil && r.Header.Get(HopsHeader) != "" || hops < 0 {
		http.Error(w, HopsHeader+": must be a number", http.StatusBadRequest)
		return
	}
	if f.here != nil {
		if v := f.here.current(); v != nil && v.runHere(w, r) {
			return
		}
	}
	if hops >= maxHops {
		http.Error(w, "request was passed on "+strconv.Itoa(hops)+" times", http.StatusLoopDetected)
		return
	}
	r = r.Clone(r.Context())
	r.Header.Set(HopsHeader, strconv.Itoa(hops+1))
	f.proxy.ServeHTTP(w, r)
}

// explain answers for a service that can't.
func explain(w http.ResponseWriter, _ *http.Request, err error) {
	status := http.StatusBadGateway
	if errors.Is(err, ErrNobody) || errors.Is(err, ErrTooMany) {
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "1")
	}
	http.Error(w, err.Error(), status)
}
