//go:build !linux

package real

import (
	"context"
	"errors"
	"io"
	"syscall"
)

var errNoNamespaces = errors.New("network namespaces: Linux alone has them")

const hubHost = ""

func mayHaveNamespaces(context.Context) error { return errNoNamespaces }

func runInHub(context.Context, []string, io.Writer, io.Writer) error { return errNoNamespaces }

func isolated(*syscall.SysProcAttr) {}

func openHub(context.Context) error { return errNoNamespaces }

func wire(context.Context, string, int) error { return errNoNamespaces }

func cutWire(context.Context, string, kind) error { return errNoNamespaces }

func mendWire(context.Context, string) error { return errNoNamespaces }
