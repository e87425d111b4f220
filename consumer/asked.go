package consumer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go/compress"
)

// A few bytes of Snappy or Zstandard may ask a decoder for gigabytes at once,
// before it has decoded anything, and have a worker end for want of memory. So
// what they ask for is read first. Gzip and LZ4 ask for little, always.

// asked returns an error where a decoder would need more than most bytes at once
// for what is compressed in b. Where b is no such thing it may return nil: the
// decoder will say so.
func asked(kind compress.Compression, b []byte, most int) error {
	var n uint64
	var err error
	switch kind {
	case compress.None, compress.Gzip, compress.Lz4:
		return nil
	case compress.Snappy:
		n, err = askedBySnappy(b)
	case compress.Zstd:
		n, err = askedByZstd(b)
	}
	if err == nil && n > uint64(most) {
		err = fmt.Errorf("%d bytes at once, the most is %d", n, most)
	}
	if err != nil {
		return fmt.Errorf("what is compressed asks for too much: %w", err)
	}
	return nil
}

// errNotThere is a block that is larger than what there is of it.
var errNotThere = errors.New("more bytes than there are")

// xerial begins the framing that Java's producers put around blocks of Snappy,
// each behind its length. Others send one block.
var xerial = []byte{130, 'S', 'N', 'A', 'P', 'P', 'Y', 0}

const xerialHeader = 16 // the rest are versions

// askedBySnappy returns the size of the largest block, as it says itself.
func askedBySnappy(b []byte) (uint64, error) {
	if !bytes.HasPrefix(b, xerial) || len(b) < xerialHeader {
		n, _ := binary.Uvarint(b)
		return n, nil
	}
	var largest uint64
	for rest := b[xerialHeader:]; len(rest) >= 4; {
		size := uint64(binary.BigEndian.Uint32(rest))
		rest = rest[4:]
		if size > uint64(len(rest)) {
			return 0, errNotThere
		}
		n, _ := binary.Uvarint(rest[:size])
		largest = max(largest, n)
		rest = rest[size:]
	}
	return largest, nil
}

// The magic numbers of Zstandard's frames, RFC 8878 sections 3.1.1 and 3.1.2.
const (
	zstdMagic     = 0xfd2fb528
	zstdSkippable = 0x184d2a50 // and the 15 after it
)

// askedByZstd returns the largest window of all frames: what a decoder keeps of
// what it has decoded.
func askedByZstd(b []byte) (uint64, error) {
	var largest uint64
	for len(b) >= 4 {
		magic := binary.LittleEndian.Uint32(b)
		b = b[4:]
		if magic&^0xf == zstdSkippable {
			if len(b) < 4 || uint64(binary.LittleEndian.Uint32(b)) > uint64(len(b)-4) {
				return 0, errNotThere
			}
			b = b[4+binary.LittleEndian.Uint32(b):]
			continue
		}
		if magic != zstdMagic {
			break // and so does the decoder
		}
		window, rest, err := zstdFrame(b)
		if err != nil {
			return 0, err
		}
		largest, b = max(largest, window), rest
	}
	return largest, nil
}

// zstdFrame returns the window of a frame, whose magic number was read, and what
// comes after the frame.
func zstdFrame(b []byte) (window uint64, rest []byte, err error) {
	if len(b) == 0 {
		return 0, nil, errNotThere
	}
	descriptor := b[0]
	single, sums := descriptor&(1<<5) != 0, descriptor&(1<<2) != 0
	at := 1
	if !single {
		at++
	}
	at += []int{0, 1, 2, 4}[descriptor&3] // id of a dictionary
	size := []int{0, 2, 4, 8}[descriptor>>6]
	if single && size == 0 {
		size = 1
	}
	if len(b) < at+size {
		return 0, nil, errNotThere
	}
	if single {
		var content [8]byte
		copy(content[:], b[at:at+size])
		window = binary.LittleEndian.Uint64(content[:])
	} else {
		base := uint64(1) << (10 + b[1]>>3)
		window = base + base/8*uint64(b[1]&7)
	}
	b, err = zstdBlocks(b[at+size:])
	if err == nil && sums {
		b, err = after(b, 4)
	}
	return window, b, err
}

// zstdBlocks returns what comes after the blocks of a frame, section 3.1.1.2.
func zstdBlocks(b []byte) ([]byte, error) {
	const last, rle = 1, 1
	for {
		if len(b) < 3 {
			return nil, errNotThere
		}
		header := int(b[0]) | int(b[1])<<8 | int(b[2])<<16
		size := header >> 3
		if header>>1&3 == rle {
			size = 1
		}
		var err error
		if b, err = after(b, 3+size); err != nil || header&last != 0 {
			return b, err
		}
	}
}

// after returns b without its first n bytes.
func after(b []byte, n int) ([]byte, error) {
	if n > len(b) {
		return nil, errNotThere
	}
	return b[n:], nil
}
