package train

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"

	"sweetspot/inference/token"
)

// A Row is one example as the network reads it.
type Row struct {
	Tokens []int32 // with [CLS] and [SEP]
	Second int     // token type is 1 from here on
	Label  int32   // index of the label; -1 where there is none
}

// Rows turns examples into token rows of at most limit tokens, the end of longer
// ones left out. A label that is not among labels is an error, which names the
// line, and no label is -1.
func Rows(examples []Example, labels []string, t *token.Tokenizer, limit int) ([]Row, error) {
	rows := make([]Row, len(examples))
	for i, e := range examples {
		r, err := t.Row(nil, e.Text, e.Pair, limit, token.Right)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Where(), err)
		}
		label := -1
		if e.Label != "" {
			if label = slices.Index(labels, e.Label); label < 0 {
				return nil, fmt.Errorf("%s: the model has no label %q", e.Where(), e.Label)
			}
		}
		rows[i] = Row{Tokens: r.IDs, Second: r.Second, Label: int32(label)}
	}
	return rows, nil
}

// fingerprint tells rows apart from others, for a checkpoint to know its own.
func fingerprint(rows []Row) string {
	h := sha256.New()
	var buf []byte
	for _, r := range rows {
		buf = binary.LittleEndian.AppendUint32(buf[:0], uint32(len(r.Tokens)))
		buf = binary.LittleEndian.AppendUint32(buf, uint32(r.Second))
		buf = binary.LittleEndian.AppendUint32(buf, uint32(r.Label))
		for _, t := range r.Tokens {
			buf = binary.LittleEndian.AppendUint32(buf, uint32(t))
		}
		h.Write(buf)
	}
	return hex.EncodeToString(h.Sum(nil))
}
