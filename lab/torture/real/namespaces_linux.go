package real

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
)

// With namespaces every node is a host of its own: its process has a network of its own, joined by a wire to that of the torture
// itself, the hub, where etcd is. What is cut is cut at the wire, in the kernel: packets vanish, nobody is told, and what was sent is
// sent again by TCP when it pleases.
//
// Nothing of it has a name outside, and all of it vanishes with the processes.

// hubHost is the hub's address, where the nodes' ways to etcd begin. All addresses are known in the hub alone.
const hubHost = "10.77.0.1"

// nodeHost is the address of a node, of which there are no more than letters.
func nodeHost(node string) string { return fmt.Sprintf("10.77.1.%d", node[0]-'a'+1) }

// mayHaveNamespaces says what is missing.
func mayHaveNamespaces(ctx context.Context) error {
	for _, tool := range []string{"ip", "nft", "nsenter"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%w: install iproute2, nftables and util-linux", err)
		}
	}
	cmd := exec.CommandContext(ctx, "nft", "add", "table", "inet", "torture")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("network namespaces: %w: %s", err, bytes.TrimSpace(said))
	}
	return nil
}

// runInHub runs this command once more, in a network of its own.
func runInHub(ctx context.Context, args []string, out, diag io.Writer) error {
	path, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, path, append(append([]string{"real"}, args...), "-network", hubbed)...)
	cmd.Stdout, cmd.Stderr = out, diag
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGINT}
	runtime.LockOSThread() // with whose end the signal would come
	defer runtime.UnlockOSThread()
	if err := cmd.Run(); ctx.Err() != nil {
		return context.Cause(ctx)
	} else if err != nil {
		return fmt.Errorf("in a network namespace: %w", err)
	}
	return nil
}

// isolated makes a process start in a network of its own.
func isolated(attr *syscall.SysProcAttr) { attr.Cloneflags |= syscall.CLONE_NEWNET }

func openHub(ctx context.Context) error {
	return ip(ctx, nil, "link set lo up", "addr add "+hubHost+"/32 dev lo")
}

// wire joins the network of a node's process to the hub. The wire of its last process may be there still.
func wire(ctx context.Context, node string, pid int) error {
	wire, host := "v"+node, nodeHost(node)
	_ = ip(ctx, nil, "link del "+wire)
	return errors.Join(
		ip(ctx, nil,
			fmt.Sprintf("link add %s type veth peer name eth0 netns %d", wire, pid),
			fmt.Sprintf("addr add %s peer %s dev %s", hubHost, host, wire),
			fmt.Sprintf("link set %s up", wire)),
		ip(ctx, []string{"nsenter", "-t", fmt.Sprint(pid), "-n"},
			"link set lo up",
			fmt.Sprintf("addr add %s peer %s dev eth0", host, hubHost),
			"link set eth0 up"),
	)
}

// cutWire lets what a node sends vanish, or what is sent to it, or both.
func cutWire(ctx context.Context, node string, k kind) error {
	rules := "table inet cut_" + node + " {\n"
	if k != cutAnswers {
		rules += "chain from { type filter hook input priority 0; iifname v" + node + " drop; }\n"
	}
	if k != cutRequests {
		rules += "chain to { type filter hook output priority 0; oifname v" + node + " drop; }\n"
	}
	return feed(ctx, rules+"}\n", "nft", "-f", "-")
}

func mendWire(ctx context.Context, node string) error {
	return feed(ctx, "", "nft", "delete", "table", "inet", "cut_"+node)
}

// ip gives lines to ip(8).
func ip(ctx context.Context, within []string, lines ...string) error {
	return feed(ctx, strings.Join(lines, "\n")+"\n", append(within, "ip", "-batch", "-")...)
}

func feed(ctx context.Context, text string, command ...string) error {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdin = strings.NewReader(text)
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(command, " "), err, bytes.TrimSpace(said))
	}
	return nil
}
