package token

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// A Truncation is a rule for a text with more tokens than there is room for.
type Truncation uint8

// The rules. All but Reject keep [CLS] and every [SEP].
const (
	Right    Truncation = iota // keep the beginning
	Left                       // keep the end
	HeadTail                   // keep the beginning and the end, half each; an odd token goes to the beginning
	Reject                     // give ErrTooLong
)

var truncations = []string{Right: "right", Left: "left", HeadTail: "head_tail", Reject: "reject"}

// ErrTooLong is the error of a text that has too many tokens under Reject.
var ErrTooLong = errors.New("text is too long")

// ParseTruncation returns the rule of that name: right, left, head_tail or
// reject.
func ParseTruncation(name string) (Truncation, error) {
	i := slices.Index(truncations, name)
	if i < 0 {
		return Right, fmt.Errorf("truncation is %q, not right, left, head_tail or reject", name)
	}
	return Truncation(i), nil
}

// String returns the rule's name.
func (tr Truncation) String() string {
	if int(tr) >= len(truncations) {
		return fmt.Sprintf("Truncation(%d)", uint8(tr))
	}
	return truncations[tr]
}

// MarshalText returns the rule's name.
func (tr Truncation) MarshalText() ([]byte, error) { return []byte(tr.String()), nil }

// UnmarshalText is ParseTruncation.
func (tr *Truncation) UnmarshalText(name []byte) (err error) {
	*tr, err = ParseTruncation(string(name))
	return err
}

// A Row is one text, or one pair of texts, as an encoder reads it.
type Row struct {
	IDs       []int32 // [CLS] text [SEP], or [CLS] text [SEP] pair [SEP]
	Second    int     // IDs[Second:] has token type 1: the pair and its [SEP]; len(IDs) without a pair
	Truncated bool    // whether tokens were left out
}

// Row makes the row of text and, unless it is empty, of pair, with at most
// limit ids. IDs is in dst's memory, from its start, where that has room.
//
// A pair that is too long is cut as Hugging Face's longest_first does: the
// longer text gives up tokens until it is as long as the shorter one; from
// there on both get half of the room, an odd token going to the longer one (the
// second of two that are equally long). What each text then keeps of itself
// follows tr: its beginning, its end, or the beginning and end of its share.
//
// The error is ErrTooLong, wrapped, under Reject, or says that limit leaves a
// text no room at all: one text needs 3 ids, a pair 5.
func (t *Tokenizer) Row(dst []int32, text, pair string, limit int, tr Truncation) (Row, error) {
	specials, least := 2, 3
	if pair != "" {
		specials, least = 3, 5
	}
	if limit < least {
		return Row{}, fmt.Errorf("a limit of %d tokens is too low, at least %d are needed", limit, least)
	}
	ids := append(dst[:0], t.cls)
	most := math.MaxInt
	if tr == Right && pair == "" {
		most = limit // one more than there is room for: the rest of a book is not read
	}
	ids = t.appendUntil(ids, text, most)
	n1 := len(ids) - 1
	ids = append(ids, t.sep)
	n2 := 0
	if pair != "" {
		ids = t.Append(ids, pair)
		n2 = len(ids) - (n1 + 2)
		ids = append(ids, t.sep)
	}
	row := Row{IDs: ids, Second: n1 + 2}
	if len(ids) <= limit {
		return row, nil
	}
	if tr == Reject {
		return Row{}, fmt.Errorf("%w: %d tokens, where %d are allowed", ErrTooLong, len(ids), limit)
	}
	row.Truncated = true
	keep1, keep2 := share(n1, n2, limit-specials)
	// What is kept moves toward the beginning, so nothing is overwritten unread.
	row.IDs = append(tr.appendKept(ids[:1], ids[1:1+n1], keep1), t.sep)
	row.Second = len(row.IDs)
	if pair != "" {
		row.IDs = append(tr.appendKept(row.IDs, ids[n1+2:n1+2+n2], keep2), t.sep)
	}
	if cap(row.IDs) > cap(dst) {
		// A row in flight must not hold the memory of a text a thousand times
		// its length.
		row.IDs = slices.Clone(row.IDs)
	}
	return row, nil
}

// share returns how many of n1 and n2 tokens are kept where both together have
// room for fewer.
func share(n1, n2, room int) (keep1, keep2 int) {
	if n1 > n2 {
		keep2, keep1 = share(n2, n1, room)
		return keep1, keep2
	}
	if n1 <= room/2 {
		return n1, room - n1
	}
	return room / 2, room - room/2
}

// appendKept appends the n of ids that the rule keeps.
func (tr Truncation) appendKept(dst, ids []int32, n int) []int32 {
	head := 0
	switch tr {
	case Right:
		head = n
	case Left, Reject:
	case HeadTail:
		head = n - n/2
	}
	dst = append(dst, ids[:head]...)
	return append(dst, ids[len(ids)-(n-head):]...)
}
