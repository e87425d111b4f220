// Package token turns text into the token ids that an encoder of the BERT
// family reads, and makes the vocabulary for one that is trained from scratch.
//
// It knows BERT's normalizer, WordPiece, and how a row is put together and cut
// to length. It does not know models, batches or where texts come from.
// Special tokens written in a text ("[MASK]", "[SEP]") are plain text here,
// brackets and all: who writes a message cannot reach into the row's structure.
package token

import "errors"

// The special pieces that a vocabulary must hold.
const (
	pad = "[PAD]"
	unk = "[UNK]"
	cls = "[CLS]"
	sep = "[SEP]"
)

// Options say how text is normalized. The zero value is BERT uncased: lower
// case, accents stripped, every CJK ideograph a word of its own. BERT cased is
// Options{Cased: true, KeepAccents: true}.
type Options struct {
	Cased        bool // keep upper case
	KeepAccents  bool // keep accents and other nonspacing marks
	WholeCJK     bool // leave runs of CJK ideographs together
	MaxWordChars int  // longer words are [UNK]; 0 means 100
}

// A Tokenizer maps text to ids. It is immutable and safe for concurrent use.
type Tokenizer struct {
	vocab              []string
	options            Options
	file               string
	pad, unk, cls, sep int32
}

// New makes a tokenizer of vocab, where a piece's index is its id. A piece that
// continues a word starts with "##".
func New(vocab []string, o Options) (*Tokenizer, error) {
	return nil, errors.New("not built")
}

// Append appends the ids of text's word pieces to dst, without [CLS] or [SEP].
func (t *Tokenizer) Append(dst []int32, text string) []int32 { return dst }

// Vocab returns the pieces by id. The caller must not change them.
func (t *Tokenizer) Vocab() []string { return t.vocab }

// Size returns the number of pieces.
func (t *Tokenizer) Size() int { return len(t.vocab) }

// Options returns how the tokenizer normalizes text.
func (t *Tokenizer) Options() Options { return t.options }

// File returns the name of the file that the tokenizer was loaded from, or ""
// if it was made by New.
func (t *Tokenizer) File() string { return t.file }

// PAD returns the id of [PAD].
func (t *Tokenizer) PAD() int32 { return t.pad }

// UNK returns the id of [UNK].
func (t *Tokenizer) UNK() int32 { return t.unk }

// CLS returns the id of [CLS].
func (t *Tokenizer) CLS() int32 { return t.cls }

// SEP returns the id of [SEP].
func (t *Tokenizer) SEP() int32 { return t.sep }
