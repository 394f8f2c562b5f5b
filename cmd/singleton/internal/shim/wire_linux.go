package shim

import (
	"bytes"
	"encoding/gob"
	"syscall"
	"time"

	"github.com/singleton-go/singleton/engineurl"
	"github.com/singleton-go/singleton/guard"
)

// name is that of the helper process.
const name = "shim"

// A Store is what a shim must know to end sessions.
type Store struct {
	URL     string
	Options engineurl.Options
}

// An order is what the owner tells the shim: one of its fields.
type order struct {
	Store   []byte         `json:",omitempty"` // a packed Store; the first one
	Session *sessionChange `json:",omitempty"`
	Start   []byte         `json:",omitempty"` // a packed job

	// Of the job that Work names; orders for an earlier one come too late.
	Work   int            `json:",omitempty"`
	Trust  instant        `json:",omitempty"` // the stop line has moved here
	Signal syscall.Signal `json:",omitempty"` // to be passed on
	KillAt instant        `json:",omitempty"` // stop: TERM now, and KILL then
}

// pack makes bytes of what people have written, which are the same on the other side: JSON changes what is not UTF-8.
func pack(v any) []byte {
	var b bytes.Buffer
	_ = gob.NewEncoder(&b).Encode(v) // of strings and numbers always goes
	return b.Bytes()
}

func unpack(b []byte, v any) error { return gob.NewDecoder(bytes.NewReader(b)).Decode(v) }

// A sessionChange may come with a lock, which is sent beside it.
type sessionChange struct {
	guard.Message

	Lock bool `json:",omitempty"`
}

// A job is a command to be started.
type job struct {
	Work  int // counts the jobs of one owner
	Path  string
	Args  []string // the zeroth included
	Env   []string // in addition to the shim's own
	Grace time.Duration
	Drain time.Duration
	Trust instant // the stop line
}

// A report is what the shim tells the owner.
type report struct {
	Ready   bool   `json:",omitempty"` // the shim is there
	Problem string `json:",omitempty"` // with the store

	Work      int                 `json:",omitempty"` // the job that all below is about
	Refused   syscall.Errno       `json:",omitempty"` // why it could not be started
	Ended     *syscall.WaitStatus `json:",omitempty"` // the command itself has ended
	ByItself  bool                `json:",omitempty"` // and was not told to
	Untrusted bool                `json:",omitempty"` // the shim has passed the stop line without a word of the owner
	Foreign   int                 `json:",omitempty"` // a process that may not be killed
	Gone      bool                `json:",omitempty"` // nothing of it is left
}
