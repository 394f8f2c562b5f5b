package discovery_test

import (
	"net"
	"strings"
	"testing"

	"github.com/singleton-go/singleton/discovery"
)

func TestAdvertise(t *testing.T) {
	t.Parallel()
	at := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 9090} }
	for _, c := range []struct {
		listening net.Addr
		wanted    string
		want      string
	}{
		{at("10.0.0.7"), "", "10.0.0.7:9090"},
		{at("fd00::7"), "", "[fd00::7]:9090"},
		{at("0.0.0.0"), "ledger-0:80", "ledger-0:80"},
		{at("0.0.0.0"), "ledger-0:0", "ledger-0:9090"},
		{at("127.0.0.1"), "", "127.0.0.1:9090"},
	} {
		if got, err := discovery.Advertise(c.listening, c.wanted); got != c.want || err != nil {
			t.Errorf("%v as %q: %q, %v, want %q", c.listening, c.wanted, got, err, c.want)
		}
	}
	for _, all := range []string{"0.0.0.0", "::"} {
		got, err := discovery.Advertise(at(all), "")
		host, _, _ := net.SplitHostPort(got)
		if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || ip.IsUnspecified() || ip.IsLoopback()) {
			t.Errorf("%s: %q, %v, want an address that others can reach", all, got, err)
		}
	}
	if _, err := discovery.Advertise(at("10.0.0.7"), "here"); err == nil || !strings.Contains(err.Error(), `"here"`) {
		t.Errorf("error %v, want it to name the address", err)
	}
	if _, err := discovery.Advertise(&net.UnixAddr{Name: "/run/x", Net: "unix"}, ""); err == nil {
		t.Error("no error for an address without a port")
	}
}
