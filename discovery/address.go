package discovery

import (
	"fmt"
	"net"
)

// Advertise returns the address to publish for a listener. It is the address that is listened on; where that is all of this
// host's, it is the first of them that is no loopback. A wanted address takes its place, as "ledger-0.internal:8080"; its port 0
// stands for the listener's.
func Advertise(listening net.Addr, wanted string) (string, error) {
	host, port, err := net.SplitHostPort(listening.String())
	if err != nil {
		return "", fmt.Errorf("listener's address %q: %w", listening, err)
	}
	if wanted != "" {
		wantedHost, wantedPort, err := net.SplitHostPort(wanted)
		if err != nil {
			return "", fmt.Errorf("address to advertise %q: %w", wanted, err)
		}
		if host = wantedHost; wantedPort != "0" {
			port = wantedPort
		}
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = ownAddress()
	}
	return net.JoinHostPort(host, port), nil
}

// ownAddress returns the first address of this host that others can reach.
func ownAddress() string {
	all, _ := net.InterfaceAddrs()
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	return "localhost"
}
