package token

import (
	"encoding/binary"
	"math/bits"
)

// maxTableWord is the length in bytes of the longest word in a wordTable.
const maxTableWord = 16

// A wordTable finds whole words of ASCII letters and digits, most of a text in
// practice, by one comparison of 16 bytes. It is a hash table with linear
// probing, at most half full.
type wordTable struct {
	slots []wordSlot // a power of two
	shift uint       // hash bits to drop
	fold  uint64     // the bit that makes a letter small, in every byte; 0 if cased
}

// A wordSlot is a word as two little-endian numbers, zero bytes behind it.
type wordSlot struct {
	lo, hi uint64
	id     int32 // -1 in a slot that is free
}

// newWordTable holds those of vocab's pieces that are short ASCII words.
func newWordTable(vocab []string, o Options) wordTable {
	n := 2
	for n < 2*len(vocab) {
		n *= 2
	}
	w := wordTable{
		slots: make([]wordSlot, n),
		shift: uint(64 - bits.TrailingZeros(uint(n))),
	}
	for i := range w.slots {
		w.slots[i].id = -1
	}
	for id, piece := range vocab {
		if len(piece) > min(maxTableWord, o.MaxWordChars) || !isASCIIWord(piece) {
			continue
		}
		lo, hi := padded(piece)
		slot := w.start(lo, hi)
		for w.slots[slot].id >= 0 {
			slot = w.after(slot)
		}
		w.slots[slot] = wordSlot{lo: lo, hi: hi, id: int32(id)}
	}
	if !o.Cased {
		w.fold = 0x2020202020202020
	}
	return w
}

func isASCIIWord(s string) bool {
	for i := range len(s) {
		if classes[s[i]] != letter {
			return false
		}
	}
	return true
}

// find returns the id of the word at text[i:end], at most 16 bytes of ASCII
// letters and digits.
func (w *wordTable) find(text string, i, end int) (int32, bool) {
	var lo, hi uint64
	if i+maxTableWord <= len(text) {
		keep := &firstBytes[end-i]
		lo, hi = load8(text[i:i+8])&keep[0], load8(text[i+8:i+16])&keep[1]
	} else {
		lo, hi = padded(text[i:end])
	}
	lo |= upper(lo) & w.fold
	hi |= upper(hi) & w.fold
	for slot := w.start(lo, hi); ; slot = w.after(slot) {
		s := &w.slots[slot&uint64(len(w.slots)-1)]
		if s.lo == lo && s.hi == hi {
			return s.id, s.id >= 0
		}
		if s.id < 0 {
			return 0, false
		}
	}
}

// start returns the slot at which the search for a word begins.
func (w *wordTable) start(lo, hi uint64) uint64 {
	high, low := bits.Mul64(lo^0x9E3779B97F4A7C15, hi^0xC2B2AE3D27D4EB4F)
	return (high ^ low) >> w.shift
}

func (w *wordTable) after(slot uint64) uint64 { return (slot + 1) & uint64(len(w.slots)-1) }

// padded returns word, at most 16 bytes, with zeros behind it.
func padded(word string) (lo, hi uint64) {
	var b [maxTableWord]byte
	copy(b[:], word)
	return binary.LittleEndian.Uint64(b[:8]), binary.LittleEndian.Uint64(b[8:])
}

// load8 is binary.LittleEndian.Uint64 for a string.
func load8(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// firstBytes[n] keeps the first n of 16 bytes.
var firstBytes = func() (masks [maxTableWord + 1][2]uint64) {
	for n := range masks {
		for i := range n {
			masks[n][i/8] |= 0xff << (8 * (i % 8))
		}
	}
	return masks
}()

// upper returns 0x20 in each byte of x that is an ASCII capital, else 0. All
// bytes of x are below 0x80, so that no sum carries into the next byte.
func upper(x uint64) uint64 {
	const each = 0x0101010101010101
	fromA := x + each*(0x80-'A')
	pastZ := x + each*(0x80-'Z'-1)
	return (fromA &^ pastZ & (each * 0x80)) >> 2
}
