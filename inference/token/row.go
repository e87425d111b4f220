package token

import "errors"

// Truncation says which tokens of a text that is too long are kept.
type Truncation uint8

// The rules of truncation.
const (
	Right    Truncation = iota // keep the beginning
	Left                       // keep the end
	HeadTail                   // keep the beginning and the end, half the room each
	Reject                     // keep nothing: ErrTooLong
)

// ErrTooLong is returned for a text that does not fit under Reject.
var ErrTooLong = errors.New("text is too long")

// ParseTruncation reads a rule's name: right, left, head_tail or reject.
func ParseTruncation(name string) (Truncation, error) { return Right, errors.New("not built") }

// String returns the rule's name.
func (tr Truncation) String() string { return "" }

// A Row is one text, or a pair of texts, as an encoder reads it.
type Row struct {
	IDs       []int32 // [CLS] text [SEP], or [CLS] text [SEP] pair [SEP]
	Second    int     // index in IDs where token type 1 starts; len(IDs) without a pair
	Truncated bool    // tokens were left out
	Tokens    int     // length of the whole row, [CLS] and [SEP] included, before truncation
}

// Row makes the row of text, and of pair unless it is empty, with at most limit
// ids. IDs lies in dst's memory, from its start, where there is room.
func (t *Tokenizer) Row(dst []int32, text, pair string, limit int, tr Truncation) (Row, error) {
	return Row{}, errors.New("not built")
}
