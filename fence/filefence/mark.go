package filefence

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
)

const (
	markSuffix = ".fence"
	lockSuffix = ".fence.lock"
	tempSuffix = ".fence.new" // in front of a rename; one is enough, under the lock
)

// castagnoli's polynomial finds what a crash leaves: a part, zeros, or an older block's content.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(data []byte) uint32 { return crc32.Checksum(data, castagnoli) }

// A mark is what FILE.fence holds, as JSON.
type mark struct {
	Tokens map[string]uint64 `json:"tokens"` // highest seen, by election
	Append *pending          `json:"append,omitempty"`
}

// pending is an append that has begun, and possibly ended.
type pending struct {
	At     int64  `json:"at"`
	Length int64  `json:"length"`
	Sum    uint32 `json:"crc32c"`
}

// readMark returns an empty mark if there is none. One that can't be read is an error, since guessing could let an older term in.
func readMark(path string) (mark, error) {
	m := mark{}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return mark{Tokens: map[string]uint64{}}, nil
	}
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("%s is damaged: %w", path, err)
	}
	if m.Tokens == nil {
		return m, fmt.Errorf("%s is damaged: it has no tokens", path)
	}
	return m, nil
}

func (m mark) write(path string) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return writeFile(path, append(text, '\n'), 0)
}

// writeFile replaces a file in one step. A mode of 0 leaves the choice to umask.
func writeFile(path string, data []byte, mode fs.FileMode) (err error) {
	temp := path + tempSuffix
	// What a crash has left there may be anything, also a link that a stranger has set.
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	out, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temp))
		}
	}()
	_, err = out.Write(data)
	if err == nil && mode != 0 {
		err = out.Chmod(mode)
	}
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	return os.Rename(temp, path)
}
