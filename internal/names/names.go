// Package names says which names are allowed, in one place.
package names

import (
	"fmt"
	"strings"
)

const longest = 200

// Check refuses a name that is not ASCII letters, digits, '.', '_' and '-', first and last a letter or digit, up to 200
// bytes. The error begins with field and quotes the name.
func Check(field, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%s: empty", field)
	case len(name) > longest:
		return fmt.Errorf("%s %q: %d bytes long, the limit is %d", field, name, len(name), longest)
	case !alphanumeric(name[0]) || !alphanumeric(name[len(name)-1]):
		return fmt.Errorf("%s %q: must begin and end with a letter or digit", field, name)
	}
	for i := range len(name) {
		if c := name[i]; !alphanumeric(c) && c != '.' && c != '_' && c != '-' {
			return fmt.Errorf("%s %q: has %q; allowed are ASCII letters, digits, '.', '_' and '-'", field, name, c)
		}
	}
	return nil
}

// CheckElection refuses what is no name of an election: "worker/NAME", "service/NAME" or, for a direct election, a NAME
// other than "worker" and "service", whose range in the store would hold every worker's queue.
func CheckElection(name string) error {
	if kind, rest, ok := strings.Cut(name, "/"); ok && (kind == "worker" || kind == "service") {
		return Check(kind, rest)
	}
	if name == "worker" || name == "service" {
		return fmt.Errorf("election %q: this name holds the queues of all %ss", name, name)
	}
	return Check("election", name)
}

// OfUnit says whether an election is that of a worker or service. It takes the name for one that was checked.
func OfUnit(election string) bool { return strings.Contains(election, "/") }

// CheckPrefix refuses what can't stand before the keys of a cluster. Prefixes are used byte for byte.
func CheckPrefix(prefix string) error {
	switch {
	case prefix == "":
		return fmt.Errorf("prefix: empty")
	case len(prefix) > longest:
		return fmt.Errorf("prefix %q: %d bytes long, the limit is %d", prefix, len(prefix), longest)
	case strings.HasSuffix(prefix, "/"):
		return fmt.Errorf("prefix %q: ends with a slash, which is added", prefix)
	case prefix == "election" || strings.HasPrefix(prefix, "election/"):
		return fmt.Errorf("prefix %q: what begins with election/ are the elections of all clusters", prefix)
	}
	for i := range len(prefix) {
		if c := prefix[i]; c <= ' ' || c > '~' {
			return fmt.Errorf("prefix %q: has %q; allowed is printable ASCII without spaces", prefix, c)
		}
	}
	return nil
}

func alphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
