// Command beat is what the candidates of command gap run: it says all the time that it lives, and when.
package main

import (
	"fmt"
	"net"
	"os"
	"time"
)

func main() {
	conn, err := net.Dial("unixgram", os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "beat:", err)
		os.Exit(1)
	}
	for {
		if _, err := fmt.Fprintf(conn, "%d %d", os.Getpid(), time.Now().UnixNano()); err != nil {
			os.Exit(0) // nobody listens any more
		}
		time.Sleep(time.Millisecond)
	}
}
